"""Uploads: each one attempt to send one image."""

from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from shub.accounts.callers import Caller
from shub.accounts.models import Token
from shub.containers.models import Blob, Container, Image
from shub.containers.models.blob import DIGEST_PATTERN
from shub.public_ids import PublicIdField, public_id_rules
from shub.retrying import Retried


class Upload(Retried):
    """One attempt to send the bytes of an image. Its state is the queue of the sweep.

    open → joining (the parts are made one object) → verifying (the object is read and hashed) →
    done; open → expired or aborted; joining → open (parts are missing); open, joining or verifying
    → refused (the bytes are not what was claimed); refused → verifying, while the bytes are kept.

    `store_id` names the store's own upload in parts. It is kept after the end until no address of
    it is alive, since a late part can open it again; then the sweep drops it for good, and empties
    this.
    """

    class State(models.TextChoices):
        OPEN = "open"
        JOINING = "joining"
        VERIFYING = "verifying"
        DONE = "done"
        REFUSED = "refused"
        EXPIRED = "expired"
        ABORTED = "aborted"

    ENDED = (State.DONE, State.REFUSED, State.EXPIRED, State.ABORTED)

    # The bytes may still come, or are being proven: room is kept for them.
    UNDER_WAY = (State.OPEN, State.JOINING, State.VERIFYING)

    # All of it was sent, and nothing is known to be wrong with it.
    ARRIVED = (State.JOINING, State.VERIFYING, State.DONE)

    # Or it was sent, and refused for what it is: in either case it is no longer the client's.
    HANDED_OVER = (*ARRIVED, State.REFUSED)

    class Kind(models.TextChoices):
        SINGLE = "single", "one part, sent to one address"
        MULTIPART = "multipart", "parts, each asked for"
        BODY = "body", "one body, sent to us and stored in parts"

    public_id = PublicIdField()
    container = models.ForeignKey(Container, on_delete=models.PROTECT, related_name="uploads")
    image = models.ForeignKey(
        Image, null=True, blank=True, on_delete=models.SET_NULL, related_name="uploads"
    )
    kind = models.CharField(max_length=16, choices=Kind.choices)
    # As the client knows it; outlives the claim that a refusal deletes.
    announced_id = models.CharField(max_length=24, blank=True, db_collation="C")
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    digest = models.CharField(max_length=64, blank=True, db_collation="C", help_text="as claimed")
    size = models.BigIntegerField(help_text="bytes, as claimed")
    part_bytes = models.BigIntegerField(help_text="of each part but the last")
    key = models.CharField(max_length=255, db_collation="C")
    store_id = models.TextField(blank=True)
    parts = models.JSONField(
        default=list, blank=True, help_text="[number, etag] in order, once it is being joined"
    )
    blob = models.OneToOneField(
        Blob, null=True, blank=True, on_delete=models.PROTECT, related_name="upload"
    )
    reason = models.TextField(blank=True, help_text="why it was refused, in a person's words")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    token = models.ForeignKey(
        Token, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    address = models.CharField(
        max_length=45, blank=True, db_default="", help_text="where the request came from"
    )
    active_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(
        null=True, blank=True, help_text="until when one sweep thread has it to itself"
    )
    lease = models.CharField(max_length=24, blank=True, help_text="which thread that is")
    waiting_tags = models.JSONField(
        default=list,
        db_default=Value([], models.JSONField()),
        blank=True,
        help_text="[name, arch] of each that waited for the image when it was refused",
    )
    verified_bytes = models.BigIntegerField(
        default=0, db_default=0, help_text="how far verification has read"
    )

    class Meta:
        constraints = [
            *public_id_rules("upload"),
            models.UniqueConstraint(fields=["key"], name="upload_key_once"),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "open",
                        "joining",
                        "verifying",
                        "done",
                        "refused",
                        "expired",
                        "aborted",
                    ]
                ),
                name="upload_state_known",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["single", "multipart", "body"]), name="upload_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(digest="") | Q(digest__regex=DIGEST_PATTERN), name="upload_digest_form"
            ),
            models.CheckConstraint(
                condition=Q(size__gt=0, part_bytes__gt=0), name="upload_sizes_positive"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["verifying", "done"]) | Q(blob__isnull=False),
                name="upload_verifying_has_blob",
            ),
            models.CheckConstraint(
                condition=~Q(state="refused") | ~Q(reason=""), name="upload_refused_says_why"
            ),
        ]
        indexes = [
            # What the sweep looks for: few rows of a table that only grows.
            models.Index(
                fields=["state", "active_at"],
                condition=Q(state__in=["open", "joining", "verifying"]),
                name="upload_under_way",
            ),
            # Who else is sending the same bytes? Asked at each end of an upload.
            models.Index(
                fields=["digest"],
                condition=Q(state__in=["open", "joining", "verifying"]),
                name="upload_under_way_digest",
            ),
            models.Index(
                fields=["announced_id"], condition=Q(state="refused"), name="upload_refused"
            ),
            models.Index(
                fields=["active_at"],
                condition=Q(state__in=["done", "refused", "expired", "aborted"]) & ~Q(store_id=""),
                name="upload_left_parts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} ({self.state})"

    @property
    def is_handed_over(self) -> bool:
        """All of it was sent; what becomes of it is the sweep's matter, or is known."""
        return self.state in self.HANDED_OVER

    @property
    def verified_percent(self) -> int:
        """How much of it verification has read, as it last said; 0 to 100."""
        return min(100 * self.verified_bytes // self.size, 100)

    @property
    def pusher(self) -> Caller:
        """Who began it."""
        return Caller(self.created_by, self.token, self.address)

    @property
    def total_parts(self) -> int:
        """How many parts the image has at this part size."""
        return -(-self.size // self.part_bytes)

    def size_of_part(self, number: int) -> int:
        """The bytes of the part of this number, counted from 1; the last has the remainder."""
        if number == self.total_parts:
            return self.size - (number - 1) * self.part_bytes
        return self.part_bytes


class SweepBeat(models.Model):
    """A sweep process that runs: it says so each few seconds, and takes the row away at its end.

    The clock is the database's: hosts' own may differ.
    """

    host = models.CharField(max_length=255)
    pid = models.IntegerField(help_text="on that host")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["host", "pid"], name="sweep_beat_once"),
        ]

    def __str__(self) -> str:
        return f"{self.host}, process {self.pid}"


class SweepTotal(models.Model):
    """A counter that all sweep processes add to, under the name that /metrics gives it.

    `labels` is its further labels as JSON, by name. It outlives the processes, so that it only
    grows, and nobody has to reach them to read it.
    """

    name = models.CharField(max_length=80)
    labels = models.JSONField(default=dict)
    value = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "labels"], name="sweep_total_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.labels}"
