"""What the pages of signing in say of the site."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def signing_in(request: HttpRequest) -> dict[str, Any]:
    """Who may register, and whether mail is sent (a template context processor)."""
    return {"registration": settings.REGISTRATION, "sends_mail": bool(settings.EMAIL_HOST)}
