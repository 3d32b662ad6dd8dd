"""`/account`: what one's account has, and where each of it is changed."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from shub.web.signin.second_factor import FACTORS
from shub.web.site import signed_in


@login_required
def show(request: HttpRequest) -> HttpResponse:
    """Name, address, password, providers, second factor."""
    user = signed_in(request)
    accounts = SocialAccount.objects.filter(user=user)
    return render(
        request,
        "web/account.html",
        {
            "addresses": EmailAddress.objects.filter(user=user).order_by("-primary", "email"),
            "providers": [one for one in accounts if one.provider != "ldap"],
            "is_of_directory": any(one.provider == "ldap" for one in accounts),
            "factors": Authenticator.objects.filter(user=user, type__in=FACTORS),
            "has_providers": bool(settings.SOCIALACCOUNT_PROVIDERS),
        },
    )
