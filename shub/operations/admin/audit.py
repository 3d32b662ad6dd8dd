"""The audit trail, to be looked at. `/admin-area/audit` has more filters, and the export."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from shub.audit.models import Event
from shub.operations.admin.base import DomainAdmin
from shub.operations.admin.site import site

# What other lists link by: each has an index.
LINKED_BY = frozenset({"actor", "about", "entity", "public_id", "token"})


@admin.register(Event, site=site)
class EventAdmin(DomainAdmin):
    """What was done."""

    list_display = ("at", "actor", "action", "kind", "name", "address", "token")
    search_fields = looked_up = ("actor", "public_id", "entity", "about", "token")
    search_help_text = "by a whole sign-in name, or a public id"
    ordering = ("-at", "-id")
    sortable_by = ()
    fields = readonly_fields = (
        "at",
        "actor",
        "token",
        "address",
        "action",
        "kind",
        "public_id",
        "name",
        "entity",
        "about",
        "detail",
    )

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in LINKED_BY
