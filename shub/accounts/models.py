"""Users, entities and tokens."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
from django.utils import timezone

from shub.names import NAME_LENGTH, NAME_PATTERN, RESERVED_ENTITIES
from shub.public_ids import PublicIdField, public_id_rules


class User(AbstractUser):
    """Somebody who may sign in. Owns exactly one entity (`shub.accounts.registration`)."""

    public_id = PublicIdField()
    must_change_password = models.BooleanField(
        default=False, help_text="the password was given by somebody else, and is to be replaced"
    )

    class Meta:
        constraints = [
            *public_id_rules("user"),
            models.UniqueConstraint(Lower("username"), name="user_username_once"),
        ]

    @property
    def is_administrator(self) -> bool:
        """May do everything on this site."""
        return self.is_active and self.is_superuser


class Entity(models.Model):
    """The first part of a reference: the namespace of one user, or of the site."""

    public_id = PublicIdField()
    name = models.CharField(max_length=NAME_LENGTH, unique=True, db_collation="C")
    description = models.TextField(blank=True)
    user = models.OneToOneField(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="entity"
    )
    default_private = models.BooleanField(
        default=False, help_text="collections that a push makes here are private"
    )
    quota_bytes = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="most that its images may take; 0: no bound; empty: DEFAULT_QUOTA_BYTES",
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "entities"
        constraints = [
            *public_id_rules("entity"),
            models.CheckConstraint(condition=Q(name__regex=NAME_PATTERN), name="entity_name_form"),
            models.CheckConstraint(
                condition=~Q(name__in=list(RESERVED_ENTITIES)), name="entity_name_not_reserved"
            ),
            models.CheckConstraint(
                condition=Q(quota_bytes__isnull=True) | Q(quota_bytes__gte=0),
                name="entity_quota_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TokenQuerySet(models.QuerySet["Token"]):
    """Tokens, in sets."""

    def valid(self) -> "TokenQuerySet":
        """Those that open a door now."""
        return self.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=Now()),
            revoked_at__isnull=True,
            user__is_active=True,
        )


class Token(models.Model):
    """A long random credential of a user. Only its SHA-256 is kept: the text is shown once."""

    public_id = PublicIdField()
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, db_collation="C")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

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
        ]

    def __str__(self) -> str:
        return self.name
