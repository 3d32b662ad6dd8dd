"""The audit trail, to be looked at. `/admin-area/audit` has more filters, and the export."""

from django.contrib import admin

from shub.audit.models import Event
from shub.operations.admin.base import DomainAdmin
from shub.operations.admin.site import site


@admin.register(Event, site=site)
class EventAdmin(DomainAdmin):
    """What was done."""

    list_display = ("at", "actor", "action", "kind", "name", "address", "token")
    search_fields = looked_up = ("actor", "public_id", "entity", "about", "token")
    search_help_text = "by a whole sign-in name, or a public id"
    # Each has an index.
    linked_by = ("actor", "about", "entity", "public_id", "token")
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
