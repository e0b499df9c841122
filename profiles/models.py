"""For whom: shoppers, identities, consents, events, sessions and the online state."""

from typing import Any, Self, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone

import profiles.policy_models
import profiles.retention_models  # noqa: F401  # the other models of this app
from catalog.models import Item
from profiles.privacy_models import PrivacyRequest, RequestStep
from tenants.settled import SettledQuerySet, unsettle

__all__ = [
    "Consent",
    "ConsentChange",
    "Event",
    "EventImport",
    "EventKey",
    "EventKind",
    "Identity",
    "PersonalDataQuerySet",
    "PrivacyRequest",
    "Purpose",
    "RequestStep",
    "Session",
    "Shopper",
    "ShopperState",
]

M = TypeVar("M", bound=models.Model)


class Purpose(models.TextChoices):
    """What data may be used for, each granted or withdrawn by the shopper."""

    PERSONALIZATION = "personalization"
    ANALYTICS = "analytics"
    MARKETING = "marketing"
    LANGUAGE_MODEL = "language_model"
    RESEARCH = "research"


class EventKind(models.TextChoices):
    VIEW = "view"
    CLICK = "click"
    SEARCH = "search"
    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    WISHLIST = "wishlist"
    PURCHASE = "purchase"
    RETURN = "return"
    DWELL = "dwell"
    DISMISS = "dismiss"
    RATING = "rating"
    REVIEW = "review"
    SUPPORT_TICKET = "support_ticket"


class Shopper(models.Model):
    """A person recommended to. Known and anonymous ids are Identity rows."""

    external_id = models.CharField(
        max_length=200, unique=True, null=True, blank=True, help_text="Empty while anonymous."
    )
    traits = models.JSONField(default=dict, blank=True, help_text="Given by the shop.")
    preferences = models.JSONField(default=dict, blank=True, help_text="Given by the shopper.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    muted = models.JSONField(
        default=list,
        db_default=[],
        editable=False,
        help_text="What the shopper said not to use: [kind, item id, name, since] each.",
    )
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="+", editable=False
    )
    erased_at = models.DateTimeField(
        null=True, editable=False, help_text="Set while an erasure takes away what is left."
    )
    restricted_at = models.DateTimeField(
        "restricted since",
        null=True,
        editable=False,
        help_text="Nothing of the shopper is used, whatever is granted, until it is lifted.",
    )

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.external_id or f"anonymous {self.pk}"


class Identity(models.Model):
    """An id by which a storefront names a shopper. Anonymous ids become known once, by a merge."""

    class Kind(models.TextChoices):
        KNOWN = "known"
        ANONYMOUS = "anonymous"

    shopper = models.ForeignKey(Shopper, on_delete=models.CASCADE, related_name="identities")
    kind = models.CharField(max_length=10, choices=Kind)
    value = models.CharField(max_length=200)
    first_seen_at = models.DateTimeField(default=timezone.now)
    merged_at = models.DateTimeField(
        null=True, blank=True, help_text="When this anonymous id was first seen with a known one."
    )

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "identities"
        constraints = [models.UniqueConstraint("kind", "value", name="identity_unique")]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


class Consent(models.Model):
    """What a shopper allows now, one row a purpose. No row means not granted."""

    shopper = models.ForeignKey(Shopper, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=20, choices=Purpose)
    granted = models.BooleanField()
    source = models.CharField(max_length=200)
    text_version = models.CharField(
        max_length=100, blank=True, default="", help_text="Of what the shopper was told."
    )
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["shopper", "purpose"]
        constraints = [models.UniqueConstraint("shopper", "purpose", name="consent_unique")]

    def __str__(self) -> str:
        return f"{self.purpose} {'granted' if self.granted else 'withdrawn'}"


class ConsentChange(models.Model):
    """Every grant and withdrawal, in order, with its proof. Rows are added, never changed.

    `text_version` is a `ConsentText`'s, or the shop's own name of a text that it keeps itself.
    """

    shopper = models.ForeignKey(Shopper, on_delete=models.CASCADE, related_name="consent_changes")
    purpose = models.CharField(max_length=20, choices=Purpose)
    granted = models.BooleanField()
    source = models.CharField(max_length=200)
    set_by_kind = models.CharField(
        max_length=20, blank=True, default="", help_text="staff, api_key, system or visitor."
    )
    set_by = models.CharField(
        max_length=200, blank=True, default="", help_text="Who sent it to us: a key, a person."
    )
    text_version = models.CharField(
        max_length=100, blank=True, default="", help_text="Of what the shopper was told."
    )
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.purpose} {'granted' if self.granted else 'withdrawn'} {self.changed_at:%F}"


class ConsentText(models.Model):
    """What shoppers were told when they chose: a version and its wording, which never changes."""

    version = models.CharField(max_length=100, unique=True, help_text="Named with each choice.")
    wording = models.TextField(help_text="Word for word, as the shopper saw it.")
    language = models.CharField(max_length=10, default="en")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.version


def every_purpose() -> list[str]:
    return list(Purpose.values)


class PrivacyControl(models.Model):
    """What a browser's Global Privacy Control means in this shop. Without a row: the defaults."""

    refuses = ArrayField(
        models.CharField(max_length=20, choices=Purpose),
        default=every_purpose,
        blank=True,
        help_text="Purposes for which nothing of such a request is used.",
    )
    remembers = models.BooleanField(
        default=False, help_text="An event sent with it withdraws these purposes for the shopper."
    )

    objects = models.Manager.from_queryset(SettledQuerySet)()

    class Meta:
        verbose_name_plural = "privacy control"

    def __str__(self) -> str:
        return "Global Privacy Control"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        unsettle()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        deleted = super().delete(*args, **kwargs)
        unsettle()
        return deleted


class PersonalDataQuerySet(models.QuerySet[M]):
    """Rows about a shopper. Whoever reads them names the purpose."""

    def permitted_for(self, purpose: Purpose) -> Self:
        """Only rows of shoppers who grant `purpose` now.

        The one place where consent meets stored behavior: tests/test_architecture.py refuses any
        other reader of `Event.stored` and `ShopperState.stored` outside this app.
        """
        granted = Consent.objects.filter(
            shopper=OuterRef("shopper_id"), purpose=purpose, granted=True
        )
        return self.filter(Exists(granted))


class Session(models.Model):
    """One visit, as the storefront names it."""

    shopper = models.ForeignKey(Shopper, on_delete=models.CASCADE, related_name="sessions")
    external_id = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    last_event_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint("shopper", "external_id", name="session_unique_per_shopper")
        ]

    def __str__(self) -> str:
        return self.external_id


class Event(models.Model):
    """What a shopper did. Partitioned by month of `occurred_at`; `profiles.partitions` adds them.

    The database's primary key is (id, occurred_at), for a partitioned table needs its partition
    column in it; `id` alone comes from one sequence and is unique too.
    """

    id = models.BigAutoField(primary_key=True)
    shopper = models.ForeignKey(Shopper, on_delete=models.CASCADE, related_name="+")
    session = models.ForeignKey(
        Session, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(max_length=20, choices=EventKind)
    item = models.ForeignKey(
        Item, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    quantity = models.PositiveIntegerField(default=1)
    value = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    query = models.CharField(max_length=500, blank=True)
    rating = models.FloatField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True, help_text="Dwell time.")
    text = models.TextField(blank=True, help_text="Of a review or a support ticket.")
    decision_id = models.UUIDField(
        null=True, blank=True, help_text="The served slate that this event answers."
    )
    context = models.JSONField(default=dict, blank=True)
    private = models.BooleanField(
        default=False, db_default=False, help_text="Sent with Global Privacy Control."
    )

    stored = models.Manager.from_queryset(PersonalDataQuerySet)()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["shopper", "occurred_at"], name="event_shopper_time"),
            models.Index(fields=["item", "kind"], name="event_item_kind"),
            # Events come nearly in the order of time, so a few kilobytes find the latest ones.
            BrinIndex(fields=["occurred_at"], name="event_time", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.item_id or self.query}"


class EventKey(models.Model):
    """An idempotency key that was seen. Apart from Event, because a partitioned table can only
    hold keys unique together with the time, and a client may repeat an event without one."""

    key = models.CharField(max_length=200, primary_key=True)
    received_at = models.DateTimeField(default=timezone.now, db_index=True)
    # Neither checked nor indexed: keys are written with every event, and looked for by an erasure.
    shopper = models.ForeignKey(
        Shopper,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )

    def __str__(self) -> str:
        return self.key


class ShopperState(models.Model):
    """The online features of a shopper: everything ranking reads of the history, in one row.

    `profiles.state` folds each event into it and can rebuild it from the events.
    """

    shopper = models.OneToOneField(
        Shopper, on_delete=models.CASCADE, primary_key=True, related_name="state"
    )
    history = models.JSONField(
        default=list,
        help_text="One entry per item and event kind; see profiles.state.HistoryEntry.",
    )
    cart = models.JSONField(
        default=dict,
        help_text="items and left: item id to [time, event id].",
    )
    dismissed = ArrayField(models.BigIntegerField(), default=list)
    seen = models.JSONField(
        default=dict,
        db_default={},
        help_text="How often each item was shown lately, where a placement counts it:"
        " item id to [day, impressions]; see profiles.exposure.",
    )
    searches = models.JSONField(
        default=list,
        db_default=[],
        help_text="What was searched for last, newest first: [text, time, event id].",
    )
    updated_at = models.DateTimeField(auto_now=True)

    stored = models.Manager.from_queryset(PersonalDataQuerySet)()

    def __str__(self) -> str:
        return f"State of {self.shopper_id}"


class EventImport(models.Model):
    """One run of a historical log: on what consent basis, and what became of its rows."""

    file_name = models.CharField(max_length=255)
    consent_source = models.CharField(max_length=200, blank=True)
    purposes = ArrayField(models.CharField(max_length=20, choices=Purpose), default=list)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, editable=False)
    rows = models.PositiveIntegerField(default=0)
    stored_events = models.PositiveIntegerField(default=0)
    repeated = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.file_name
