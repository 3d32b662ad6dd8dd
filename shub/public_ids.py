"""Public ids: how rows are named outside, since 2019's clients read nothing else as an id."""

import secrets
from typing import Any

from django.db import models

LENGTH = 24
PATTERN = r"^[0-9a-f]{24}$"


def new_public_id() -> str:
    """24 random lowercase hex digits (96 bits): not to be guessed, and not to be counted."""
    return secrets.token_hex(LENGTH // 2)


class PublicIdField(models.CharField):
    """The public id of a row: made once, never changed."""

    def __init__(self, **options: Any) -> None:
        options.update(max_length=LENGTH, editable=False, default=new_public_id, db_collation="C")
        super().__init__(**options)


def public_id_rules(model: str) -> list[models.BaseConstraint]:
    """The database's own word that a public id is one row's, and has its one form.

    By a constraint rather than `unique=True`, which would add an index for LIKE to each table.
    """
    return [
        models.CheckConstraint(
            condition=models.Q(public_id__regex=PATTERN), name=f"{model}_public_id_form"
        ),
        models.UniqueConstraint(fields=["public_id"], name=f"{model}_public_id_once"),
    ]
