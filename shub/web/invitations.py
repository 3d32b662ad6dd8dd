"""`/account/invitations/SECRET`: what one is invited to, and one's yes or no."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from shub.accounts import invitations
from shub.accounts.models import Invitation
from shub.errors import NotFound
from shub.web.refusals import attempt, page
from shub.web.site import caller

# The stylesheet, and the next page, are not told the address, of which the secret is a part; the
# origin has to be said, for it is what forms are known as our own by.
REFERRER_POLICY = "strict-origin"


class SecretForm(forms.Form):
    """The secret in the body: the address of a form may get into a log."""

    secret = forms.CharField(max_length=200)


@never_cache
@require_safe
@page
def show(request: HttpRequest, secret: str) -> HttpResponse:
    """What it is, to whoever is signed in; to others only where to sign in."""
    invitation = None
    if caller(request).user is not None:
        invitation = invitations.find(secret)
    answer = render(request, "web/invitation.html", {"invitation": invitation, "secret": secret})
    answer["Referrer-Policy"] = REFERRER_POLICY
    return answer


@login_required
@require_POST
@page
def accept_link(request: HttpRequest) -> HttpResponse:
    """Take the place that a link offers."""
    form = SecretForm(request.POST)
    if not form.is_valid():
        raise NotFound("There is no such invitation.")
    return _accept(request, invitations.find(form.cleaned_data["secret"]))


@login_required
@require_POST
@page
def accept_by_name(request: HttpRequest, public_id: str) -> HttpResponse:
    """Take the place that is offered to oneself."""
    return _accept(request, invitations.find_by_name(public_id, by=caller(request)))


def _accept(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    team = invitation.team
    if team is None:
        messages.error(request, _("This invitation is to register, and you are registered."))
        return redirect("teams")
    done = attempt(
        request,
        lambda: invitations.accept(invitation, by=caller(request)),
        done=_("You are in the team %(team)s now.") % {"team": team},
    )
    return redirect("team", team.name) if done else redirect("teams")


@login_required
@require_POST
@page
def decline(request: HttpRequest, public_id: str) -> HttpResponse:
    """Say no to the place that is offered to oneself."""
    attempt(
        request,
        lambda: invitations.withdraw(public_id=public_id, by=caller(request)),
        done=_("The invitation is declined."),
    )
    return redirect("teams")
