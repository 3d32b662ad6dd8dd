"""Users by the name that they sign in with."""

from django.db.models import Value
from django.db.models.functions import Lower

from shub.accounts.models import User
from shub.rows import first


def user_named(name: str) -> User | None:
    """The user of this sign-in name, in any case of letters; one who is not active too.

    By the very comparison that keeps names apart (`user_username_once`). Django's `iexact` compares
    in capitals, and there more names are equal: `mıra` without its dot would be found for `mira`.
    """
    asked = User.normalize_username(name.strip())
    return first(User.objects.alias(folded=Lower("username")).filter(folded=Lower(Value(asked))))
