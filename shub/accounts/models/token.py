"""Tokens: what clients log in with."""

from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from shub.accounts.models.entity import Entity
from shub.accounts.models.user import User
from shub.names import NAME_LENGTH, NAME_PATTERN
from shub.public_ids import PublicIdField, public_id_rules

SHOWN_AFTER_END = timedelta(days=30)


class TokenQuerySet(models.QuerySet["Token"]):
    """Tokens, in sets."""

    def valid(self) -> "TokenQuerySet":
        """Those that open a door now."""
        return self.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=Now()),
            revoked_at__isnull=True,
            user__is_active=True,
        )

    def recent(self) -> "TokenQuerySet":
        """Those that open a door, and those that ended within the last month."""
        since = timezone.now() - SHOWN_AFTER_END
        return self.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=since),
            Q(revoked_at__isnull=True) | Q(revoked_at__gt=since),
        )


class Token(models.Model):
    """A long random credential of a user. Only its SHA-256 is kept: the text is shown once.

    It lets a client do what its scopes say, where it is bound to, as far as its user may do that
    now. Outside of either it counts for nobody.
    """

    class Scope(models.TextChoices):
        PULL = "pull", "pull: get images"
        PUSH = "push", "push: send images, set tags"
        DELETE = "delete", "delete: remove images"
        MANAGE = "manage", "manage: change settings and members"

    public_id = PublicIdField()
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, db_collation="C")
    scopes = ArrayField(
        models.CharField(max_length=16, choices=Scope.choices),
        # What a token could do before there were scopes.
        db_default=["pull", "push", "delete"],
    )
    # Were the entity's row deleted, its tokens must go with it: without it they would be bound no
    # more.
    entity = models.ForeignKey(
        Entity,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="all that it is good for; empty: wherever its user may",
    )
    collection = models.CharField(
        max_length=NAME_LENGTH,
        blank=True,
        db_default="",
        db_collation="C",
        help_text="the name of the one collection of the entity that it is good for; empty: any",
    )
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(
        max_length=150, blank=True, db_default="", help_text="sign-in name; of a robot's token"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="written down every few minutes"
    )
    last_used_from = models.CharField(max_length=45, blank=True, db_default="")

    objects = TokenQuerySet.as_manager()

    class Meta:
        constraints = [
            *public_id_rules("token"),
            models.UniqueConstraint(fields=["digest"], name="token_digest_once"),
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="token_digest_form"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")),
                name="token_expires_after_creation",
            ),
            models.CheckConstraint(
                condition=Q(
                    scopes__contained_by=["pull", "push", "delete", "manage"], scopes__len__gt=0
                ),
                name="token_scopes_known",
            ),
            models.CheckConstraint(
                condition=Q(collection="")
                | Q(entity__isnull=False, collection__regex=NAME_PATTERN),
                name="token_collection_of_its_entity",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def end(self) -> str:
        """How it ended: revoked or expired; empty while it lasts."""
        if self.revoked_at is not None:
            return "revoked"
        over = self.expires_at is not None and self.expires_at <= timezone.now()
        return "expired" if over else ""

    @property
    def bound_to(self) -> str:
        """What it is bound to, as ENTITY or ENTITY/COLLECTION; empty where it is not."""
        return "/".join(filter(None, [self.entity.name if self.entity else "", self.collection]))

    def covers(self, scope: str, *, entity_id: int, collection: str = "") -> bool:
        """Whether it is good for this, there; an empty scope stands for any.

        Without a collection: for the entity as a whole.
        """
        if scope and scope not in self.scopes:
            return False
        if self.entity_id is None:
            return True
        return self.entity_id == entity_id and self.collection in {"", collection}
