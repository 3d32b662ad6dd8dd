"""Who is asking: a bearer token, or nobody."""

from base64 import b64decode

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from shub.accounts import tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Token, User
from shub.api import throttles
from shub.client_address import client_address
from shub.errors import Unauthenticated


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer TOKEN`, or `Basic` with the token as the password, whoever it names.

    In any case of letters; an empty credential is nobody's.
    """

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        text = credential(request)
        if not text:
            return None
        token = tokens.recognise(text)
        if token is None:
            throttles.count_bad_token(request)
            raise Unauthenticated(
                "The token is unknown, expired or revoked. Make a new one and run `remote login`."
            )
        tokens.note_use(token, address=client_address(request))
        return token.user, token


def caller(request: Request) -> Caller:
    """Who asks, by which token, from where."""
    user = request.user if isinstance(request.user, User) else None
    token = request.auth if isinstance(request.auth, Token) else None
    return Caller(user, token, client_address(request))


def credential(request: Request | HttpRequest) -> str:
    """The token as it was presented; empty where there is none, or by another scheme."""
    given = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")[2].strip()
    match scheme(request).lower():
        case "bearer":
            return given
        case "basic":
            return _password(given)
    return ""


def _password(given: str) -> str:
    """The token behind the colon of Basic credentials; empty for any other password: its sender
    means another door."""
    try:
        password = b64decode(given, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""
    return password if tokens.has_token_form(password) else ""


def scheme(request: Request | HttpRequest) -> str:
    """The scheme of the Authorization header as it is written: generations of clients differ."""
    return str(request.META.get("HTTP_AUTHORIZATION", "").partition(" ")[0])
