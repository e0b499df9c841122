"""Who: tenants and their domains (public schema); staff users and API keys (tenant's schema)."""

from datetime import datetime
from typing import Any, ClassVar, Self
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import connection, models, transaction
from django_tenants.models import DomainMixin, TenantMixin
from django_tenants.utils import get_public_schema_name, schema_context

from tenants.acting import ActorKind, current_actor
from tenants.audit import HIDDEN, Verb, record
from tenants.audit_models import AuditEntry, AuditHead, AuditSeal
from tenants.kept_answers import KeptAnswer
from tenants.roles import Role
from tenants.settled import unsettle
from tenants.tombstone_models import Tombstone

__all__ = [
    "ApiKey",
    "AuditEntry",
    "AuditHead",
    "AuditSeal",
    "Domain",
    "KeptAnswer",
    "Scope",
    "StaffUser",
    "Tenant",
    "Tombstone",
]


def check_time_zone(name: str) -> None:
    """Raises ValidationError for a name that the IANA time zone database does not have."""
    if name not in available_timezones():
        raise ValidationError(f"{name!r} is no time zone; one is 'Europe/Berlin'.")


def forget_hosts() -> None:
    """Look every host up anew, from the next request on."""
    with schema_context(get_public_schema_name()):
        unsettle()


class Tenant(TenantMixin):  # type: ignore[misc]  # django-tenants is untyped
    """A customer company. Its schema is made by `tenants.opening`, never by saving."""

    # Annotated by hand: the untyped base hides them from the Django plugin.
    auto_create_schema = False
    auto_drop_schema = False

    schema_name: models.CharField[str, str] = models.CharField(
        max_length=50,
        unique=True,
        validators=[
            RegexValidator(r"^(?!pg_|public$|information_schema$|template|test)[a-z][a-z0-9_]*$")
        ],
        help_text="Lower-case letters, digits and underscores. Cannot be changed.",
    )
    name: models.CharField[str, str] = models.CharField(max_length=200)
    currency: models.CharField[str, str] = models.CharField(max_length=3, default="EUR")
    language: models.CharField[str, str] = models.CharField(max_length=10, default="en")
    time_zone: models.CharField[str, str] = models.CharField(
        max_length=50,
        default="UTC",
        validators=[check_time_zone],
        help_text="In which the shop's hours and days are meant, such as Europe/Berlin.",
    )
    created_at: models.DateTimeField[datetime, datetime] = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        forget_hosts()

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        deleted = super().delete(*args, **kwargs)
        forget_hosts()
        return deleted


class Domain(DomainMixin):  # type: ignore[misc]  # django-tenants is untyped
    """A host name that leads to one tenant."""

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        forget_hosts()

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        deleted = super().delete(*args, **kwargs)
        forget_hosts()
        return deleted


class StaffUser(AbstractUser):
    """A person in a tenant's admin. Exists in that tenant's schema only."""

    role = models.CharField(
        max_length=20,
        choices=Role,
        blank=True,
        db_default="",
        default="",
        help_text="What this person may see and do. Nothing without a role, a group or a"
        " permission of their own.",
    )

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A new password of one's own, or one given by a command, is recorded here; one given by
        somebody else on that page."""
        actor = current_actor()
        by_another = actor.kind == ActorKind.STAFF and actor.key != str(self.pk)
        if getattr(self, "_password", None) is None or self._state.adding or by_another:
            super().save(*args, **kwargs)
            return
        with transaction.atomic():
            super().save(*args, **kwargs)
            record(Verb.CHANGED, self, after={"password": HIDDEN})


class Scope(models.TextChoices):
    """What an API key may do."""

    EVENTS_WRITE = "events:write", "Send events"
    RECOMMENDATIONS_READ = "recommendations:read", "Read recommendations"
    CATALOG_WRITE = "catalog:write", "Change the catalog"
    CATALOG_READ = "catalog:read", "Read the catalog"
    SHOPPERS_WRITE = "shoppers:write", "Change shoppers and consents"
    SHOPPERS_READ = "shoppers:read", "Read shoppers"
    SHOPPERS_EXPORT = "shoppers:export", "Read everything held on a shopper"
    SHOPPERS_ERASE = "shoppers:erase", "Erase shoppers, and read certificates"
    RULES_SIMULATE = "rules:simulate", "Try merchandising rules out"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> Self:
        return self.filter(revoked_at=None)


BROWSER_SCOPES = frozenset(
    {Scope.EVENTS_WRITE, Scope.RECOMMENDATIONS_READ, Scope.SHOPPERS_READ, Scope.SHOPPERS_WRITE}
)
"""What a publishable key may have: what a shopper does, and nothing of the shop's."""


class ApiKey(models.Model):
    """A key of a server (secret) or of web pages (publishable). Only its SHA-256 is kept: the key
    has 256 random bits, so a slow hash would protect nothing and cost every request."""

    class Kind(models.TextChoices):
        SECRET = "secret", "Secret, for servers"
        PUBLISHABLE = "publishable", "Publishable, for browsers"

    kind = models.CharField(
        max_length=12, choices=Kind, default=Kind.SECRET, db_default=Kind.SECRET
    )
    name = models.CharField(max_length=100, help_text="Who uses it, such as 'storefront server'.")
    prefix = models.CharField(max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=40, choices=Scope), default=list)
    requests_per_minute = models.PositiveIntegerField(default=6000)
    allowed_origins = ArrayField(
        models.CharField(
            max_length=200,
            validators=[
                RegexValidator(r"^https?://[a-z0-9.-]+(:[0-9]+)?$", "Such as https://shop.example.")
            ],
        ),
        default=list,
        db_default=[],
        blank=True,
        help_text="Of a publishable key: the pages that may use it, such as https://shop.example.",
    )
    shopper_requests_per_minute = models.PositiveIntegerField(
        default=120, db_default=120, help_text="Of a publishable key, for each shopper."
    )
    token_version = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    token_rotated_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager["ApiKey"]] = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def revoked(self) -> bool:
        return self.revoked_at is not None

    def mark_used(self, now: datetime) -> None:
        """Note the use, unless somebody is just changing the key: a request waits for nobody."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE tenants_apikey SET last_used_at = %s WHERE id = (SELECT id"
                " FROM tenants_apikey WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED)",
                [now, self.pk],
            )
