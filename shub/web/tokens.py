"""`/auth/tokens`: the page that clients print at login."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from shub.accounts import tokens
from shub.web import client_commands
from shub.web.refusals import attempt, made_by, page
from shub.web.site import caller, signed_in
from shub.web.token_forms import NewTokenForm, ScopedTokenForm


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def list_tokens(request: HttpRequest) -> HttpResponse:
    """One's own tokens, and a new one on POST: its text is shown this once."""
    user, by = signed_in(request), caller(request)
    form = ScopedTokenForm(request.POST or None, user=user, by=by)
    text = ""
    if request.method == "POST":
        text = made_by(form, lambda: tokens.issue(user=user, by=by, **form.asked)[1]) or ""
        form = ScopedTokenForm(user=user, by=by) if text else form
    return render(
        request,
        "web/tokens.html",
        {
            "form": form,
            "file_form": NewTokenForm(auto_id="file_%s", initial={"name": "remote.yaml"}),
            "tokens": user.tokens.recent().select_related("entity").order_by("-created_at"),
            "text": text,
            "logins": client_commands.login_commands(),
        },
    )


@login_required
@require_POST
@page
def revoke(request: HttpRequest, public_id: str) -> HttpResponse:
    """End one of one's own tokens."""
    attempt(
        request,
        lambda: tokens.revoke(public_id=public_id, user=signed_in(request), by=caller(request)),
        done=_("The token is revoked: whoever has it can no longer use it."),
    )
    return redirect("tokens")
