"""One's own: `/account/containers`, all that is known of one, and the end of the account."""

from typing import Any

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from shub.accounts.administrators import is_administrator
from shub.accounts.models import Entity, User
from shub.containers import deletion, own_data
from shub.errors import Refusal
from shub.rows import first
from shub.web.passwords import check_own_password
from shub.web.site import caller, signed_in


class DeletionForm(forms.Form):
    """What becomes of the images; and the account's name, so that nobody does it by mistake."""

    field_order = ("images", "name", "password")
    name = forms.CharField(
        max_length=150,
        label=gettext_lazy("Sign-in name"),
        help_text=gettext_lazy("of the account that is to be deleted; this cannot be undone"),
    )

    def __init__(
        self, *args: Any, summary: deletion.Summary, to_the_site: bool, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.summary = summary
        choices = [(deletion.REMOVE, _("They are removed, frozen ones too"))]
        choices += [
            (team.name, _("The team %(team)s gets the entity, as it is") % {"team": team.name})
            for team in summary.heirs
        ]
        if to_the_site:
            choices += [(deletion.TO_THE_SITE, _("The site gets the entity, as it is"))]
        self.fields["images"] = forms.ChoiceField(
            choices=choices,
            widget=forms.RadioSelect,
            required=False,
            initial=deletion.REMOVE,
            label=_("What becomes of the images"),
        )
        self.order_fields(self.field_order)

    def clean_name(self) -> str:
        """The name of this account, and of no other."""
        name: str = self.cleaned_data["name"]
        if name.strip() != self.summary.username:
            raise forms.ValidationError(
                _("Write %(name)s to delete this account.") % {"name": self.summary.username}
            )
        return name


class OwnDeletionForm(DeletionForm):
    """With the password besides, of who has one: an open browser is not enough."""

    def __init__(self, *args: Any, user: User, **options: Any) -> None:
        super().__init__(*args, **options)
        self.user = user
        if user.has_usable_password():
            self.fields["password"] = forms.CharField(
                label=_("Password"),
                widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
                strip=False,
            )

    def clean_password(self) -> str:
        """The user's own; tries are counted."""
        password: str = self.cleaned_data["password"]
        if not check_own_password(self.user, password):
            raise forms.ValidationError(_("This is not your password."))
        return password


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """What will go; and on POST, it goes."""
    user, by = signed_in(request), caller(request)
    if not user.has_usable_password():
        # Without a password to ask for, the second factor is, where there is one.
        raise_if_reauthentication_required(request, app="allauth.account")
    try:
        summary = deletion.foresee(user, by=by)
        form = OwnDeletionForm(
            request.POST or None, user=user, summary=summary, to_the_site=is_administrator(by)
        )
        if request.method == "POST" and form.is_valid():
            deletion.delete_account(user, images=form.cleaned_data["images"], by=by)
            logout(request)
            messages.success(
                request, _("The account %(name)s is deleted.") % {"name": summary.username}
            )
            return redirect("home")
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("delete-account" if request.method == "POST" else "home")
    return render(request, "web/delete_account.html", {"summary": summary, "form": form})


@login_required
@require_safe
def containers(request: HttpRequest) -> HttpResponse:
    """`/account/containers`: where one's own are, whatever the entity is called by now."""
    entity = first(Entity.objects.filter(user=signed_in(request)))
    return redirect("entity", entity.name) if entity else redirect("home")


@login_required
@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """All that is known of one, as a file."""
    user = signed_in(request)
    return StreamingHttpResponse(
        own_data.document(user, by=caller(request)),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="account-{user.public_id}.json"'},
    )
