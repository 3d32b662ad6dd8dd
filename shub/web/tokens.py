"""`/auth/tokens`: the page that clients print at login."""

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from shub.accounts import tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Token, User
from shub.errors import Refusal
from shub.web.site import caller, signed_in

LIVES = [("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "does not expire")]


class NewTokenForm(forms.Form):
    """What a token is for, and how long it lives."""

    name = forms.CharField(max_length=100, label="Name", help_text="to know it by later")
    days = forms.ChoiceField(choices=LIVES, required=False, initial="90", label="Life")

    def issue(self, user: User) -> str:
        """Make the token that the valid form asks for; its text, which is never to be had again."""
        days = self.cleaned_data["days"]
        expires_at = timezone.now() + timedelta(days=int(days)) if days else None
        _, text = tokens.issue(
            user=user, name=self.cleaned_data["name"], expires_at=expires_at, by=Caller(user)
        )
        return text


@login_required
@never_cache
def list_tokens(request: HttpRequest) -> HttpResponse:
    """One's own tokens, and a new one on POST: its text is shown this once."""
    form = NewTokenForm(request.POST or None)
    text = ""
    if request.method == "POST" and form.is_valid():
        text = form.issue(signed_in(request))
        form = NewTokenForm()
    file_form = NewTokenForm(auto_id="file_%s", initial={"name": "remote.yaml"})
    own = Token.objects.valid().filter(user=signed_in(request)).order_by("-created_at")
    return render(
        request,
        "web/tokens.html",
        {"form": form, "file_form": file_form, "tokens": own, "text": text},
    )


@login_required
@require_POST
def revoke(request: HttpRequest, public_id: str) -> HttpResponse:
    """End one of one's own tokens."""
    try:
        tokens.revoke(public_id=public_id, user=signed_in(request), by=caller(request))
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, "The token is revoked: whoever has it can no longer use it.")
    return redirect("tokens")
