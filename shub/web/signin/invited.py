"""`/account/register/SECRET`: the link of an invitation to register."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from shub.web.signin.arrivals import INVITATION, invitation_of


@require_safe
def follow(request: HttpRequest, secret: str) -> HttpResponse:
    """Keep the secret for this browser, and out of the address of the form that follows."""
    request.session[INVITATION] = secret
    if invitation_of(request) is None:
        del request.session[INVITATION]
        messages.error(
            request, "This invitation has been used, withdrawn or has expired. Ask for another."
        )
    return redirect("register")
