"""`/theme`: light, dark, or as the browser prefers. A cookie keeps it; there is no row of it."""

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from shub.web.returning import page_before

COOKIE = "theme"
THEMES = ("light", "dark")
YEAR_SECONDS = 365 * 24 * 3600


class ThemeForm(forms.Form):
    """Which theme; empty: as the browser prefers."""

    theme = forms.ChoiceField(choices=[(name, name) for name in THEMES], required=False)


def of(request: HttpRequest) -> str:
    """The theme that the visitor chose; empty where the browser's preference counts."""
    chosen = request.COOKIES.get(COOKIE, "")
    return chosen if chosen in THEMES else ""


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Keep the choice for a year, or forget it; then back to the page that it was made on."""
    form = ThemeForm(request.POST)
    chosen = form.cleaned_data["theme"] if form.is_valid() else ""
    answer = redirect(page_before(request))
    if chosen:
        answer.set_cookie(
            COOKIE,
            chosen,
            max_age=YEAR_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    else:
        answer.delete_cookie(COOKIE, samesite="Lax")
    return answer
