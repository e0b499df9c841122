"""The decision: placements and rules, what training learned, and what was served and why."""

import uuid
from datetime import datetime
from typing import Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

import recommendations.search_models  # noqa: F401  # where Django looks for models
from catalog.models import Item
from profiles.models import Shopper
from recommendations.packed import INTEGER, REAL, PackedField
from recommendations.rule_models import (
    Guarded,
    MerchandisingRule,
    PartOfPlacementSettings,
    Segment,
)
from tenants.settled import SettledQuerySet

__all__ = [
    "Decision",
    "Impression",
    "ItemFacts",
    "ItemNeighbors",
    "MerchandisingRule",
    "Placement",
    "RankerVersion",
    "Segment",
]


class Placement(Guarded, PartOfPlacementSettings):
    """A spot that recommendations are for. Its question decides how items are scored."""

    class Question(models.TextChoices):
        HOME = "home", "What may this shopper like today?"
        ITEM = "item", "What is like this item, or goes with it?"
        CART = "cart", "What goes with what is in the cart?"
        BUY_AGAIN = "buy_again", "What of what this shopper bought is due again?"
        SEARCH = "search", "Which of the items found does this shopper prefer?"
        EMAIL = "email", "What may bring this shopper back?"

    code = models.SlugField(max_length=50, unique=True, help_text="As the storefront names it.")
    question = models.CharField(max_length=10, choices=Question)
    diversity = models.FloatField(
        default=0.3,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="0 keeps the order of relevance; 1 alternates categories whenever it can.",
    )
    repeats_purchases = models.BooleanField(
        default=False, help_text="May show what the shopper has bought already."
    )
    static_items = models.ManyToManyField(
        Item,
        blank=True,
        related_name="+",
        help_text="The last resort when every layer is out; the newest items if empty.",
    )
    active = models.BooleanField(default=True)

    objects = models.Manager.from_queryset(SettledQuerySet)()

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class RankerVersionQuerySet(models.QuerySet["RankerVersion"]):
    def live(self) -> Self:
        return self.filter(status=RankerVersion.Status.LIVE)


class RankerVersion(models.Model):
    """One training run: what it learned from, how good it is, and whether it serves."""

    class Status(models.TextChoices):
        TRAINING = "training"
        CANDIDATE = "candidate"
        LIVE = "live"
        RETIRED = "retired"
        FAILED = "failed"

    status = models.CharField(max_length=10, choices=Status, default=Status.TRAINING)
    trained_at = models.DateTimeField(default=timezone.now)
    params = models.JSONField(default=dict, help_text="Scoring parameters, chosen on validation.")
    metrics = models.JSONField(
        default=dict, help_text="Offline, on the same held-out days as the live version's."
    )
    events = models.PositiveIntegerField(default=0)
    shoppers = models.PositiveIntegerField(default=0)
    items = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    note = models.TextField(blank=True, help_text="Why it went live, or did not.")
    counting = models.JSONField(
        default=dict,
        help_text="What updates go on from: when pairs were counted, and up to which event.",
    )
    left_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="Since when it is summed with events of somebody who left: once retired, it may"
        " not serve again.",
    )

    objects: ClassVar[models.Manager["RankerVersion"]] = RankerVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["status"], condition=Q(status="live"), name="one_live_ranker_version"
            )
        ]

    def __str__(self) -> str:
        return f"version {self.pk}"


class RealField(models.FloatField[float, float]):
    """A four-byte float: all the precision a trained weight has."""

    def db_type(self, connection: Any) -> str:
        return "real"


class ItemNeighbors(models.Model):
    """The items that go with one item, strongest first, as one ranker version learned them."""

    ranker = models.ForeignKey(RankerVersion, on_delete=models.CASCADE, related_name="+")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    neighbor_ids = PackedField(INTEGER)
    weights = PackedField(REAL)
    repeat = RealField(
        default=1.0, help_text="How likely shoppers come back to it; the average item has 1."
    )

    class Meta:
        verbose_name_plural = "item neighbors"
        constraints = [
            models.UniqueConstraint("ranker", "item", name="item_neighbors_unique_per_ranker")
        ]

    def __str__(self) -> str:
        return f"neighbors of {self.item_id}"


class ItemPairs(models.Model):
    """What was counted of one item's pairs, so that new events can be added and old taken off.

    `others` and `counts` are parallel arrays of little-endian int32 and float64: the items that
    it leads to, as the full fit counted them. `more_others` and `more_counts` are what to add to
    them since: an update writes these alone, which are short. `popularity` is frozen at the full
    fit, but that of an item met since then.
    """

    ranker = models.ForeignKey(RankerVersion, on_delete=models.CASCADE, related_name="+")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    others = models.BinaryField()
    counts = models.BinaryField()
    more_others = models.BinaryField(default=b"")
    more_counts = models.BinaryField(default=b"")
    popularity = models.FloatField()
    momentum = models.FloatField(default=1.0)
    frozen = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("ranker", "item", name="item_pairs_unique_per_ranker")
        ]

    def __str__(self) -> str:
        return f"pairs of {self.item_id}"


class ItemComplements(models.Model):
    """The items that are bought together with one item in one order, strongest first."""

    ranker = models.ForeignKey(RankerVersion, on_delete=models.CASCADE, related_name="+")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    neighbor_ids = PackedField(INTEGER)
    weights = PackedField(REAL)

    class Meta:
        verbose_name_plural = "item complements"
        constraints = [
            models.UniqueConstraint("ranker", "item", name="item_complements_unique_per_ranker")
        ]

    def __str__(self) -> str:
        return f"complements of {self.item_id}"


class CircumstanceItems(models.Model):
    """What is chosen more than elsewhere in one circumstance, such as a country; most so first."""

    dimension = models.CharField(max_length=20)
    value = models.CharField(max_length=100)
    item_ids = ArrayField(models.IntegerField())
    weights = ArrayField(RealField())

    class Meta:
        constraints = [models.UniqueConstraint("dimension", "value", name="circumstance_unique")]

    def __str__(self) -> str:
        return f"{self.dimension} {self.value}"


class ItemFacts(models.Model):
    """What is known of an item whoever the shopper is. Refreshed often, between trainings."""

    item = models.OneToOneField(
        Item, on_delete=models.CASCADE, primary_key=True, related_name="facts"
    )
    popularity = RealField(default=0.0, help_text="0-1, over months.")
    trend = RealField(default=0.0, help_text="0-1, over days.")
    trend_now = RealField(default=0.0, help_text="0-1, over hours.")
    computed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "item facts"
        indexes = [
            models.Index(fields=["-popularity"], name="item_facts_popularity"),
            models.Index(fields=["-trend"], name="item_facts_trend"),
            models.Index(
                fields=["-trend_now"], name="item_facts_trend_now", condition=Q(trend_now__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"popularity {self.popularity:.3f}, trend {self.trend:.3f}"


class DecisionQuerySet(models.QuerySet["Decision"]):
    def older_than(self, moment: datetime) -> Self:
        return self.filter(served_at__lt=moment)


class Decision(models.Model):
    """One served slate: what was known, considered and chosen, so that it can be explained."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    placement = models.CharField(max_length=50)
    shopper = models.ForeignKey(
        Shopper,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty unless the shopper grants personalization.",
    )
    served_at = models.DateTimeField()
    ranker_version = models.PositiveBigIntegerField(null=True, blank=True)
    context = models.JSONField(default=dict)
    slate = models.JSONField(default=list, help_text="Items in order, each with its whole ledger.")
    candidates = models.JSONField(default=list, help_text="[item id, score], the best ones first.")
    fallbacks = ArrayField(models.CharField(max_length=40), default=list)
    latency_ms = models.FloatField()

    objects: ClassVar[models.Manager["Decision"]] = DecisionQuerySet.as_manager()

    class Meta:
        ordering = ["-served_at"]
        indexes = [
            models.Index(fields=["-served_at"], name="decision_served_at"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Impression(models.Model):
    """One item served at one position of one slate. The ground truth for training."""

    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="impressions")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField()
    score = RealField()
    reason_kind = models.CharField(max_length=30, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint("decision", "position", name="impression_unique_position")
        ]

    def __str__(self) -> str:
        return f"{self.item_id} at {self.position}"


class PreparedSlate(models.Model):
    """A slate that a shopper was served, ready to be served again while nothing changed that it
    depends on; see `recommendations.prepared`.
    """

    shopper = models.ForeignKey(Shopper, on_delete=models.CASCADE, related_name="+")
    page = models.CharField(max_length=64, help_text="A digest of all that the request said.")
    version = models.CharField(max_length=50, help_text="Of the shopper's state.")
    generation = models.CharField(max_length=32, help_text="Of the shop's settings and catalog.")
    good_until = models.DateTimeField(db_index=True)
    items = ArrayField(models.BigIntegerField(), help_text="In their order.")
    offers = ArrayField(
        models.CharField(max_length=60), help_text="What each cost: price/sale price/currency."
    )
    shown = models.TextField(help_text="JSON: the items as they were answered.")
    noted = models.TextField(help_text="JSON: the ledgers, as a decision notes them.")

    class Meta:
        constraints = [
            models.UniqueConstraint("shopper", "page", name="prepared_slate_unique_per_page")
        ]

    def __str__(self) -> str:
        return f"slate for {self.shopper_id}"
