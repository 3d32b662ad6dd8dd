"""Changing the password."""

from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from shub import limits
from shub.accounts.models import User
from shub.audit import trail
from shub.errors import TooMany
from shub.web.site import caller


def check_own_password(user: User, password: str) -> bool:
    """Whether it is the user's. ValidationError where there were too many tries: an open browser,
    or a stolen session, is no place to guess at it."""
    try:
        limits.spend(
            "LIMIT_FAILED_SIGN_INS", who=f"password of {user.pk}", what="tries of your password"
        )
    except TooMany as refusal:
        raise ValidationError(refusal.message) from refusal
    return user.check_password(password)


class NewPasswordForm(PasswordChangeForm):
    """Django's, which would take the old password for a new one, and guesses without end."""

    def clean_old_password(self) -> str:
        """The user's own; tries are counted."""
        old: str = self.cleaned_data["old_password"]
        if not check_own_password(self.user, old):
            raise ValidationError(
                self.error_messages["password_incorrect"], code="password_incorrect"
            )
        return old

    def clean_new_password1(self) -> str:
        """Another than the one that is to be replaced."""
        new: str = self.cleaned_data["new_password1"]
        if self.user.check_password(new):
            raise ValidationError(_("Choose a password that differs from the one you have."))
        return new


class ChangePasswordView(PasswordChangeView):
    """`/account/password`; whoever has a given password comes here first."""

    template_name = "web/change_password.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("tokens")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Whose password is kept elsewhere has none to change here."""
        if request.user.is_authenticated and not request.user.has_usable_password():
            messages.info(request, _("You have no password here: you sign in by another way."))
            return redirect("account")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        """The new password, and the end of the duty to change it, both or neither."""
        with transaction.atomic():
            user = form.user
            user.must_change_password = False
            user.save(update_fields=["must_change_password"])
            answer = super().form_valid(form)
            trail.record(
                "password.changed",
                kind="user",
                public_id=user.public_id,
                name=user.username,
                about=user.public_id,
                by=caller(self.request),
            )
        get_adapter(self.request).send_notification_mail("account/email/password_changed", user)
        return answer
