"""Uploads: what is under way, and what became of the rest."""

from django.contrib import admin
from django.utils.safestring import SafeString

from shub.operations.admin.base import DomainAdmin, link
from shub.operations.admin.site import site
from shub.uploads.models import Upload


@admin.register(Upload, site=site)
class UploadAdmin(DomainAdmin):
    """Attempts to send an image."""

    list_display = ("public_id", "place", "kind", "state", "size", "created_at", "pusher", "reason")
    list_filter = ("state", "kind")
    list_select_related = ("container__collection__entity", "created_by")
    search_fields = looked_up = ("public_id",)
    linked_by = (
        "container__id__exact",
        "image__id__exact",
    )
    ordering = ("-id",)
    sortable_by = ()
    fields = readonly_fields = (
        "public_id",
        "place",
        "of",
        "kind",
        "state",
        "digest",
        "size",
        "part_bytes",
        "reason",
        "created_at",
        "pusher",
        "address",
        "active_at",
        "leased_until",
    )

    @admin.display(description="Container")
    def place(self, upload: Upload) -> SafeString | str:
        return link(upload.container)

    @admin.display(description="Image")
    def of(self, upload: Upload) -> SafeString | str:
        return link(upload.image)

    @admin.display(description="By")
    def pusher(self, upload: Upload) -> SafeString | str:
        return link(upload.created_by)
