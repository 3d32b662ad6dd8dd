"""What every page tells the browser: load nothing from elsewhere, keep nothing that is private."""

from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# No page needs any of it.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        *("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media"),
        *("geolocation", "gyroscope", "magnetometer", "microphone", "midi", "payment", "usb"),
        "browsing-topics",
    )
)


class PageHeadersMiddleware:
    """Adds the headers that a view has not set itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        policy = content_security_policy(tuple(settings.FORM_ACTION_ORIGINS))
        answer.headers.setdefault("Content-Security-Policy", policy)
        answer.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        # `accessed`: the view looked who is asking. What it then answered is for them alone.
        if request.session.accessed:
            answer.headers.setdefault("Cache-Control", "private, no-store")
        return answer


@lru_cache(maxsize=4)
def content_security_policy(form_action_origins: tuple[str, ...] = ()) -> str:
    """Nothing inline, nothing from elsewhere; forms lead to us, and to these origins."""
    form_action = " ".join(["'self'", *form_action_origins])
    return (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
        f"connect-src 'self'; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
    )
