"""The page before: where one goes back to.

A page that is not shown cannot name its own address to come back to: one that is hidden and one
that is missing are the same to the last byte. The browser knows it, and tells it to nobody but us
(`Referrer-Policy: same-origin`).
"""

from urllib.parse import urlsplit, urlunsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_safe


@require_safe
def sign_in(request: HttpRequest) -> HttpResponse:
    """`/account/sign-in/and-return`: sign in, then back to the page that this was asked from."""
    return redirect_to_login(page_before(request))


def page_before(request: HttpRequest) -> str:
    """The path and query of the page of ours that led here; `/` where none did."""
    try:
        before = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return "/"
    path = urlunsplit(("", "", before.path, before.query, ""))
    ours = before.netloc == request.get_host() and url_has_allowed_host_and_scheme(
        path, allowed_hosts=None
    )
    return path if ours and path else "/"
