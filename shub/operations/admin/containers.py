"""Collections, containers, images, tags, roles; and the history of tags and downloads."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from shub.audit.models import Event
from shub.containers import freezing, granting, visibility
from shub.containers.models import (
    Blob,
    Collection,
    Container,
    DownloadCount,
    Grant,
    Image,
    PendingTag,
    ReadOnly,
    RemovedImage,
    Tag,
    TagMove,
)
from shub.operations.admin.base import DomainAdmin, do_for_each, link, list_link, together
from shub.operations.admin.site import site
from shub.uploads.models import Upload
from shub.web.site import caller


@admin.register(Collection, site=site)
class CollectionAdmin(DomainAdmin):
    """Collections. Who sees them is changed here."""

    may_change = True
    list_display = ("name", "home", "visibility", "created_at", "removed_at", "lists")
    list_filter = ("visibility",)
    list_select_related = ("entity",)
    search_fields = ("name", "entity__name", "=public_id")
    linked_by = ("entity__id__exact",)
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "name",
        "home",
        "visibility",
        "description",
        "public_id",
        "created_at",
        "removed_at",
        "removed_by",
        "kept_until",
        "lists",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Collection | None = None) -> Any:
        changed = ("visibility",) if self.has_change_permission(request, obj) else ()
        return self.shown_but(*changed)

    def save_model(self, request: HttpRequest, obj: Collection, form: Any, change: bool) -> None:
        stored = Collection.objects.select_related("entity").get(pk=obj.pk)
        visibility.change(stored, to=obj.visibility, by=caller(request))

    @admin.display(description="Entity")
    def home(self, collection: Collection) -> SafeString | str:
        return link(collection.entity)

    @admin.display(description="Lists")
    def lists(self, collection: Collection) -> SafeString:
        return together(
            list_link(Container, "containers", collection__id__exact=collection.pk),
            list_link(Grant, "roles", collection__id__exact=collection.pk),
            list_link(Event, "events", public_id=collection.public_id),
        )


@admin.register(Container, site=site)
class ContainerAdmin(DomainAdmin):
    """Containers. Who sees them, and whether they are frozen, is changed here."""

    may_change = True
    list_display = (
        "name",
        "home",
        "visibility",
        "is_frozen",
        "download_count",
        "removed_at",
        "lists",
    )
    list_filter = ("visibility", "is_frozen")
    list_select_related = ("collection__entity",)
    search_fields = ("name", "collection__name", "collection__entity__name", "=public_id")
    linked_by = ("collection__id__exact",)
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "name",
        "home",
        "visibility",
        "is_frozen",
        "description",
        "download_count",
        "public_id",
        "created_at",
        "removed_at",
        "removed_by",
        "kept_until",
        "lists",
    )
    actions = ("freeze", "unfreeze")

    def get_readonly_fields(self, request: HttpRequest, obj: Container | None = None) -> Any:
        changed = ("visibility", "is_frozen") if self.has_change_permission(request, obj) else ()
        return self.shown_but(*changed)

    def save_model(self, request: HttpRequest, obj: Container, form: Any, change: bool) -> None:
        by = caller(request)
        stored = Container.objects.select_related("collection__entity").get(pk=obj.pk)
        if "visibility" in form.changed_data:
            visibility.change(stored, to=obj.visibility, by=by)
        if "is_frozen" in form.changed_data:
            freezing.set_container_frozen(stored, frozen=obj.is_frozen, by=by)

    @admin.action(description="Freeze: nothing is pushed there, or removed")
    def freeze(self, request: HttpRequest, rows: QuerySet[Container]) -> None:
        self._set_frozen(request, rows, frozen=True)

    @admin.action(description="Unfreeze")
    def unfreeze(self, request: HttpRequest, rows: QuerySet[Container]) -> None:
        self._set_frozen(request, rows, frozen=False)

    def _set_frozen(self, request: HttpRequest, rows: Any, *, frozen: bool) -> None:
        do_for_each(
            request,
            rows,
            lambda row, by: freezing.set_container_frozen(row, frozen=frozen, by=by),
            done="frozen" if frozen else "unfrozen",
        )

    @admin.display(description="Collection")
    def home(self, container: Container) -> SafeString | str:
        return link(container.collection)

    @admin.display(description="Lists")
    def lists(self, container: Container) -> SafeString:
        where = {"container__id__exact": container.pk}
        return together(
            list_link(Image, "images", **where),
            list_link(RemovedImage, "removed images", **where),
            list_link(Tag, "tags", **where),
            list_link(TagMove, "tag history", **where),
            list_link(Upload, "uploads", **where),
            list_link(Event, "events", public_id=container.public_id),
        )


@admin.register(Image, site=site)
class ImageAdmin(DomainAdmin):
    """Images, found by their hash or their container."""

    list_display = ("short_hash", "home", "arch", "bytes", "state", "signed", "created_at")
    list_filter = ("arch", "signed", "encrypted")
    list_select_related = ("container__collection__entity", "blob")
    search_fields = looked_up = ("digest__startswith", "public_id")
    search_help_text = "by the beginning of the hash, or by the public id"
    linked_by = (
        "container__id__exact",
        "blob__id__exact",
    )
    ordering = ("-id",)
    sortable_by = ()
    fields = readonly_fields = (
        "digest",
        "home",
        "arch",
        "bytes",
        "state",
        "signed",
        "fingerprints",
        "encrypted",
        "sif_id",
        "unread",
        "description",
        "download_count",
        "public_id",
        "created_at",
        "pusher",
        "lists",
    )

    @admin.display(description="Hash")
    def short_hash(self, image: Image) -> str:
        return image.digest[:12]

    @admin.display(description="Container")
    def home(self, image: Image) -> SafeString | str:
        return link(image.container)

    @admin.display(description="Bytes")
    def bytes(self, image: Image) -> str:
        return f"{image.blob.size:,}" if image.blob else "–"

    @admin.display(description="State")
    def state(self, image: Image) -> str:
        return image.blob.state if image.blob else "announced"

    @admin.display(description="Pushed by")
    def pusher(self, image: Image) -> SafeString | str:
        return link(image.created_by)

    @admin.display(description="Lists")
    def lists(self, image: Image) -> SafeString:
        return together(
            list_link(Tag, "tags", image__id__exact=image.pk),
            list_link(DownloadCount, "downloads", image__id__exact=image.pk),
            list_link(Upload, "uploads", image__id__exact=image.pk),
            list_link(Event, "events", public_id=image.public_id),
        )


@admin.register(RemovedImage, site=site)
class RemovedImageAdmin(DomainAdmin):
    """Images that were removed and can still be brought back: by `manage.py removed`, too."""

    list_display = ("short_hash", "home", "bytes", "tag_names", "removed_at", "removed_by", "until")
    list_select_related = ("container__collection__entity", "blob")
    search_fields = looked_up = ("digest__startswith", "public_id")
    search_help_text = "by the beginning of the hash, or by the public id"
    linked_by = ("container__id__exact", "blob__id__exact")
    ordering = ("-id",)
    sortable_by = ()
    fields = readonly_fields = (
        "digest",
        "home",
        "bytes",
        "tag_names",
        "removed_at",
        "removed_by",
        "until",
        "description",
        "public_id",
        "created_at",
    )

    @admin.display(description="Hash")
    def short_hash(self, removed: RemovedImage) -> str:
        return removed.digest[:12]

    @admin.display(description="Container")
    def home(self, removed: RemovedImage) -> SafeString | str:
        return link(removed.container)

    @admin.display(description="Bytes")
    def bytes(self, removed: RemovedImage) -> str:
        return f"{removed.blob.size:,}"

    @admin.display(description="Tags")
    def tag_names(self, removed: RemovedImage) -> str:
        return ", ".join(sorted({name for name, _ in removed.tags})) or "–"

    @admin.display(description="Kept until")
    def until(self, removed: RemovedImage) -> str:
        return f"{removed.kept_until:%Y-%m-%d %H:%M %Z}"


@admin.register(Blob, site=site)
class BlobAdmin(DomainAdmin):
    """Bytes in the store, and what is known of them."""

    list_display = ("short_digest", "size", "state", "created_at", "images")
    list_filter = ("state",)
    search_fields = looked_up = ("digest__startswith", "public_id")
    ordering = ("-id",)
    sortable_by = ()
    fields = readonly_fields = (
        *("digest", "size", "state", "public_id", "key", "created_at", "read_at"),
        *("damaged_at", "damage", "failures", "trouble", "images"),
    )

    @admin.display(description="SHA-256")
    def short_digest(self, blob: Blob) -> str:
        return blob.digest[:12]

    @admin.display(description="Images")
    def images(self, blob: Blob) -> SafeString:
        return list_link(Image, "images", blob__id__exact=blob.pk)


@admin.register(Tag, site=site)
class TagAdmin(DomainAdmin):
    """Tags, and what they mean now. A name is frozen in every arch that it has."""

    list_display = ("name", "arch", "home", "meant", "is_frozen", "moved_at")
    list_filter = ("is_frozen", "arch")
    list_select_related = ("container__collection__entity", "image")
    search_fields = ("=name", "container__name")
    linked_by = (
        "container__id__exact",
        "image__id__exact",
    )
    ordering = ("-id",)
    sortable_by = ()
    fields = readonly_fields = ("name", "arch", "home", "meant", "is_frozen", "moved_at")
    actions = ("freeze", "unfreeze")

    @admin.action(description="Freeze: the name goes on meaning what it means")
    def freeze(self, request: HttpRequest, rows: QuerySet[Tag]) -> None:
        self._set_frozen(request, rows, frozen=True)

    @admin.action(description="Unfreeze")
    def unfreeze(self, request: HttpRequest, rows: QuerySet[Tag]) -> None:
        self._set_frozen(request, rows, frozen=False)

    def _set_frozen(self, request: HttpRequest, rows: Any, *, frozen: bool) -> None:
        do_for_each(
            request,
            rows,
            lambda tag, by: freezing.set_tag_frozen(
                tag.container, name=tag.name, frozen=frozen, by=by
            ),
            done="frozen" if frozen else "unfrozen",
        )

    @admin.display(description="Container")
    def home(self, tag: Tag) -> SafeString | str:
        return link(tag.container)

    @admin.display(description="Image")
    def meant(self, tag: Tag) -> SafeString | str:
        return link(tag.image, tag.image.digest[:12])


@admin.register(TagMove, site=site)
class TagMoveAdmin(DomainAdmin):
    """What tags meant before."""

    list_display = ("name", "arch", "place", "before", "after", "moved_at", "moved_by", "token")
    linked_by = ("container__id__exact",)
    ordering = ("-id",)
    sortable_by = ()
    fields = readonly_fields = (
        "name",
        "arch",
        "from_digest",
        "to_digest",
        "moved_at",
        "moved_by",
        "token",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[TagMove]:
        # Not `list_select_related`: the container may be gone, whose history this is.
        return super().get_queryset(request).prefetch_related("container__collection__entity")

    @admin.display(description="Container")
    def place(self, move: TagMove) -> SafeString | str:
        try:
            return link(move.container)
        except Container.DoesNotExist:
            return "–"

    @admin.display(description="From")
    def before(self, move: TagMove) -> str:
        return move.from_digest[:12] or "–"

    @admin.display(description="To")
    def after(self, move: TagMove) -> str:
        return move.to_digest[:12] or "–"


@admin.register(PendingTag, site=site)
class PendingTagAdmin(DomainAdmin):
    """Tags that wait for their image to be verified."""

    list_display = ("name", "arch", "meant", "asked_at", "asker")
    list_select_related = ("image__container__collection__entity", "asked_by")
    search_fields = ("=name", "asked_by__username")
    ordering = ("-id",)
    fields = readonly_fields = ("name", "arch", "meant", "asked_at", "asker")

    @admin.display(description="Image")
    def meant(self, pending: PendingTag) -> SafeString | str:
        return link(pending.image)

    @admin.display(description="Asked for by")
    def asker(self, pending: PendingTag) -> SafeString | str:
        return link(pending.asked_by)


@admin.register(Grant, site=site)
class GrantAdmin(DomainAdmin):
    """Who has which role where. Given on the place's own page; taken away there, or here."""

    list_display = ("id", "to", "role", "on", "granted_at")
    list_filter = ("role",)
    list_select_related = ("entity", "collection__entity", "user", "team")
    search_fields = ("user__username", "team__name", "entity__name", "collection__name")
    linked_by = (
        "entity__id__exact",
        "collection__id__exact",
        "user__id__exact",
        "team__id__exact",
    )
    ordering = ("-id",)
    sortable_by = ()
    fields = readonly_fields = ("to", "role", "on", "granted_at")
    actions = ("revoke",)

    @admin.action(description="Take away")
    def revoke(self, request: HttpRequest, rows: QuerySet[Grant]) -> None:
        do_for_each(
            request,
            rows,
            lambda row, by: granting.revoke(
                place=row.entity or row.collection, grant_id=row.pk, by=by
            ),
            done="taken away",
        )

    @admin.display(description="To")
    def to(self, grant: Grant) -> SafeString | str:
        return link(grant.user or grant.team)

    @admin.display(description="On")
    def on(self, grant: Grant) -> SafeString | str:
        return link(grant.entity or grant.collection)


@admin.register(DownloadCount, site=site)
class DownloadCountAdmin(DomainAdmin):
    """How often an image was pulled, by day."""

    list_display = ("day", "pulled", "count")
    list_select_related = ("image__container__collection__entity",)
    linked_by = ("image__id__exact",)
    ordering = ("-id",)
    sortable_by = ()
    fields = readonly_fields = ("day", "pulled", "count")

    @admin.display(description="Image")
    def pulled(self, count: DownloadCount) -> SafeString | str:
        return link(count.image)


class ReadOnlyForm(forms.ModelForm):
    """What clients are told."""

    class Meta:
        model = ReadOnly
        fields = ("message",)


@admin.register(ReadOnly, site=site)
class ReadOnlyAdmin(DomainAdmin):
    """While there is a message, nothing changes on the whole site. Deleting it ends that."""

    may_add = may_change = may_delete = True
    form = ReadOnlyForm
    list_display = ("message", "since")
    fields = ("message", "since")
    readonly_fields = ("since",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not ReadOnly.objects.exists()

    def get_fields(self, request: HttpRequest, obj: ReadOnly | None = None) -> Any:
        return self.fields if obj else ("message",)

    def save_model(self, request: HttpRequest, obj: ReadOnly, form: Any, change: bool) -> None:
        freezing.set_read_only(obj.message, by=caller(request))
        obj.pk = 1

    def delete_model(self, request: HttpRequest, obj: ReadOnly) -> None:
        freezing.set_read_only("", by=caller(request))
