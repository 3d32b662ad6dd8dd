"""An OpenID provider's answer belongs to one attempt: a nonce, which allauth does not send."""

import secrets
from typing import Any

from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.http import HttpRequest, HttpResponse

from shub.errors import Denied


class BoundProvider(OpenIDConnectProvider):
    """allauth's, which asks for the nonce back.

    The state says that the browser is the one that began, the code challenge that the server is;
    providers that know no challenges ignore it, and then the nonce says it alone.
    """

    def redirect(
        self,
        request: HttpRequest,
        process: str,
        next_url: Any = None,
        data: Any = None,
        **rest: Any,
    ) -> HttpResponse:
        """Leave for the provider with a nonce that only this session knows."""
        nonce = secrets.token_urlsafe(24)
        parameters = {**(rest.pop("auth_params", None) or self.get_auth_params()), "nonce": nonce}
        answer: HttpResponse = super().redirect(
            request, process, next_url, data, nonce=nonce, auth_params=parameters, **rest
        )
        return answer


def check_word(said: dict[str, Any], nonce: str) -> None:
    """Denied unless the provider speaks of one person (Core, 5.3.2) and answers this attempt."""
    id_token = said.get("id_token")
    if not id_token:
        raise Denied("The provider did not say who you are: no ID token came. Try again.")
    if not nonce or not secrets.compare_digest(str(id_token.get("nonce", "")), nonce):
        raise Denied("The provider answered another attempt to sign in. Try again.")
    userinfo = said.get("userinfo")
    if userinfo and userinfo.get("sub") != id_token.get("sub"):
        raise Denied("The provider spoke of two different people. Try again.")
