"""The form for a new token: of one's own, or of a robot's."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from shub.accounts import tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Token, User
from shub.containers import namespaces
from shub.errors import Refusal

LIVES = [
    ("30", _("30 days")),
    ("90", _("90 days")),
    ("365", _("a year")),
    ("", _("does not expire")),
]

# What a scope lets the client do that has the token.
SCOPES = {
    Token.Scope.PULL: _("pull: find and download images that you may see"),
    Token.Scope.PUSH: _("push: send images and set tags where you may"),
    Token.Scope.DELETE: _("delete: remove images and tags"),
    Token.Scope.MANAGE: _("manage: change settings, members and who may see it"),
}


class NewTokenForm(forms.Form):
    """What a token is called, and how long it lives."""

    name = forms.CharField(
        max_length=100, label=_("Name"), help_text=_("to know it by later, such as laptop")
    )
    days = forms.ChoiceField(choices=LIVES, required=False, initial="90", label=_("Expires after"))

    @property
    def expires_at(self) -> datetime | None:
        """The end of the life that was chosen."""
        days = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=int(days)) if days else None

    def issue(self, by: Caller) -> str:
        """Make the token that the valid form asks for, of one's own, good for what clients do.

        Its text, which is never to be had again.
        """
        user = by.known
        scopes = allowed_scopes(user) if user.is_auditor else tokens.DEFAULT_SCOPES
        _token, text = tokens.issue(
            user=user,
            name=self.cleaned_data["name"],
            expires_at=self.expires_at,
            scopes=scopes,
            by=by,
        )
        return text


class ScopedTokenForm(NewTokenForm):
    """What it is good for, too, and where."""

    scopes = forms.MultipleChoiceField(
        choices=Token.Scope.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_("Good for"),
    )
    bound_to = forms.CharField(
        required=False,
        max_length=300,
        label=_("Only in (optional)"),
        help_text=_("ENTITY or ENTITY/COLLECTION; empty: wherever its account may"),
    )

    def __init__(self, *args: Any, user: User, by: Caller, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user, self.by = user, by
        allowed = allowed_scopes(user)
        scopes: Any = self.fields["scopes"]
        scopes.choices = [(each.value, words) for each, words in SCOPES.items() if each in allowed]
        scopes.initial = [scope for scope in tokens.DEFAULT_SCOPES if scope in allowed]

    def clean_bound_to(self) -> tuple[Entity | None, str]:
        """The entity, and the name of the collection, which need not be there yet."""
        text = self.cleaned_data["bound_to"].strip().strip("/")
        if not text:
            return None, ""
        name, _slash, collection = text.partition("/")
        try:
            return namespaces.find_entity(name, by=self.by), collection
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    @property
    def asked(self) -> dict[str, Any]:
        """What the valid form says, in the words of `tokens.issue`."""
        entity, collection = self.cleaned_data["bound_to"]
        return {
            "name": self.cleaned_data["name"],
            "expires_at": self.expires_at,
            "scopes": self.cleaned_data["scopes"],
            "entity": entity,
            "collection": collection,
        }


def allowed_scopes(user: User) -> list[Token.Scope]:
    """What a token of the user can be good for at all."""
    return [Token.Scope.PULL] if user.is_auditor else list(Token.Scope)
