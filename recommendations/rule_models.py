"""What the merchant wishes: merchandising rules, segments of shoppers, guards of placements."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from catalog.models import Item
from recommendations.rules import OverBudget
from tenants.settled import SettledQuerySet, unsettle

MAX_CAP_DAYS = 30
"""Impressions are counted per shopper for so long."""

MAX_AMOUNT = 10.0
"""More than any history adds up to: a rule of this strength leads whatever it is for."""


class PartOfPlacementSettings(models.Model):
    """A row that `recommendations.placements` settles: changing it settles all anew."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        unsettle()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        deleted = super().delete(*args, **kwargs)
        unsettle()
        return deleted


class Guarded(models.Model):
    """What a placement asks of every slate, whatever the rules say; see `rules.Guard`."""

    class OverBudget(models.TextChoices):
        HIDE = OverBudget.HIDE.value, "Hide"
        LOWER = OverBudget.LOWER.value, "Lower"
        IGNORE = OverBudget.IGNORE.value, "Ignore"

    minimum_margin = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(-100), MaxValueValidator(100)],
        help_text="Percent of the price. Items that earn less are never shown here; an item"
        " without a cost has no margin and is shown.",
    )
    minimum_quality = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="0-100. Items whose catalog data score less are never shown here.",
    )
    over_budget = models.CharField(
        max_length=10,
        choices=OverBudget,
        default=OverBudget.HIDE,
        help_text="What becomes of items above the budget that the shopper stated.",
    )
    cap_impressions = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="An item that a shopper was shown so often without a reaction pauses.",
    )
    cap_days = models.PositiveSmallIntegerField(
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_CAP_DAYS)],
        help_text="The days that are counted for it.",
    )
    max_per_category = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="At most so many items of one category in a slate. Pins count, too.",
    )
    max_per_brand = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="At most so many items of one brand in a slate. Pins count, too.",
    )
    discovery_share = models.FloatField(
        default=0.0,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="At least this share of the slots goes to items outside of the shopper's usual"
        " categories, 0-1.",
    )
    new_share = models.FloatField(
        default=0.0,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="At least this share of the slots goes to new items, 0-1.",
    )
    new_for_days = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1)], help_text="How long an item is new."
    )

    class Meta:
        abstract = True


class Segment(PartOfPlacementSettings):
    """Shoppers of one sort, told by what they granted to be used. All that is said must be true.

    A shopper who does not grant personalization is in no segment.
    """

    class Visits(models.TextChoices):
        NEW = "new", "New: first seen within a day"
        RETURNING = "returning", "Returning: seen before the last day"

    name = models.CharField(max_length=200, unique=True)
    visits = models.CharField(max_length=10, choices=Visits, blank=True)
    preference = models.CharField(
        max_length=100, blank=True, help_text="As the shopper stated it, such as “style”."
    )
    preference_values = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Any of these, separated by commas; empty: whatever it is.",
    )
    trait = models.CharField(
        max_length=100, blank=True, help_text="As the shop gave it, such as “loyalty”."
    )
    trait_values = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Any of these, separated by commas; empty: whatever it is.",
    )
    countries = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        help_text="Codes of two letters, separated by commas: of the request, else of the trait"
        " “country”.",
    )
    affinity_category = models.CharField(
        max_length=400,
        blank=True,
        help_text="What much of the history is about: any level, or a path such as Women > Shoes.",
    )
    affinity_share = models.FloatField(
        default=0.3,
        validators=[MinValueValidator(0.01), MaxValueValidator(1)],
        help_text="How much of the history that is at least, 0-1.",
    )
    bought_category = models.CharField(
        max_length=400, blank=True, help_text="Bought something of it: any level, or a path."
    )
    bought_within_days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Empty: ever."
    )

    objects = models.Manager.from_queryset(SettledQuerySet)()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(
                    visits="",
                    preference="",
                    trait="",
                    countries=[],
                    affinity_category="",
                    bought_category="",
                ),
                name="segment_says_something",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MerchandisingRuleQuerySet(SettledQuerySet["MerchandisingRule"]):
    def live(self) -> Self:
        return self.filter(status=MerchandisingRule.Status.LIVE)

    def drafts(self) -> Self:
        return self.filter(status=MerchandisingRule.Status.DRAFT)

    def not_over(self, now: datetime) -> Self:
        """In force now, or going to be."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now))

    def for_placement(self, placement: models.Model) -> Self:
        """Those of this placement, and those of every one."""
        return self.filter(Q(placements=None) | Q(placements=placement)).distinct()


class MerchandisingRule(PartOfPlacementSettings):
    """What the merchant wants seen more, less, first or not at all; in the ledger as itself."""

    class Kind(models.TextChoices):
        PIN = "pin", "Pin to a position"
        BOOST = "boost", "Boost"
        PROMOTION = "promotion", "Promotion: boost with a label"
        BURY = "bury", "Bury"
        EXCLUDE = "exclude", "Exclude"

    class Status(models.TextChoices):
        DRAFT = "draft"
        LIVE = "live"
        RETIRED = "retired"

    class Device(models.TextChoices):
        MOBILE = "mobile"
        TABLET = "tablet"
        DESKTOP = "desktop"

    class Weekday(models.IntegerChoices):
        MONDAY = 0
        TUESDAY = 1
        WEDNESDAY = 2
        THURSDAY = 3
        FRIDAY = 4
        SATURDAY = 5
        SUNDAY = 6

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=Kind)
    status = models.CharField(
        max_length=10, choices=Status, default=Status.DRAFT, help_text="Only a live one is served."
    )
    amount = models.FloatField(
        "strength",
        default=0.5,
        validators=[MinValueValidator(0), MaxValueValidator(MAX_AMOUNT)],
        help_text="Boost, promotion and bury only: what is added to or taken from the score. 0.1"
        f" nudges, 0.5 is strong, {MAX_AMOUNT:g} outweighs everything.",
    )
    position = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Pin only: 1 is the first. Empty: on top, in no fixed place.",
    )
    label = models.CharField(
        max_length=60, blank=True, help_text="Promotion only: what shoppers read, as “Tent weeks”."
    )
    placements = models.ManyToManyField(
        "recommendations.Placement",
        blank=True,
        related_name="+",
        help_text="Where it holds; every placement if empty.",
    )

    item = models.ForeignKey(
        Item, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    category = models.CharField(
        max_length=400, blank=True, help_text="Any level, or a path such as Women > Shoes."
    )
    brand = models.CharField(max_length=200, blank=True)
    attribute = models.CharField(max_length=100, blank=True, help_text="Its name, such as “color”.")
    attribute_values = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Any of these, separated by commas.",
    )
    attribute_from = models.FloatField(null=True, blank=True, help_text="For a number: at least.")
    attribute_to = models.FloatField(null=True, blank=True, help_text="For a number: at most.")
    on_sale = models.BooleanField(default=False, help_text="Items with a sale price.")
    new_for_days = models.PositiveIntegerField(
        "new items",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Items that came into the catalog within so many days.",
    )
    price_from = models.DecimalField(max_digits=16, decimal_places=4, null=True, blank=True)
    price_to = models.DecimalField(max_digits=16, decimal_places=4, null=True, blank=True)
    margin_from = models.FloatField(
        null=True, blank=True, help_text="Percent of the price; items without a cost have none."
    )
    margin_below = models.FloatField(null=True, blank=True, help_text="Percent of the price.")

    query = models.CharField(
        max_length=200, blank=True, help_text="Holds where the shopper searched for these words."
    )
    whole_query = models.BooleanField(
        default=False, help_text="For just these words, in this order; otherwise among others."
    )
    segment = models.ForeignKey(
        Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="rules"
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(choices=Weekday), default=list, blank=True
    )
    from_hour = models.TimeField(null=True, blank=True)
    to_hour = models.TimeField(null=True, blank=True, help_text="May be past midnight.")
    device = models.CharField(max_length=10, choices=Device, blank=True)
    countries = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        help_text="Codes of two letters, separated by commas.",
    )

    matching_items = models.PositiveIntegerField(null=True, editable=False)
    proposed = ArrayField(models.BigIntegerField(), default=list, editable=False)
    measured_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[models.Manager["MerchandisingRule"]] = MerchandisingRuleQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(
                    item=None,
                    category="",
                    brand="",
                    attribute="",
                    on_sale=False,
                    new_for_days=None,
                    price_from=None,
                    price_to=None,
                    margin_from=None,
                    margin_below=None,
                ),
                name="rule_matches_something",
            ),
            models.CheckConstraint(
                condition=~Q(kind="pin") | Q(item__isnull=False), name="rule_pins_one_item"
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=0, amount__lte=MAX_AMOUNT), name="rule_amount_in_range"
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None)
                | Q(ends_at=None)
                | Q(starts_at__lt=models.F("ends_at")),
                name="rule_ends_after_it_begins",
            ),
        ]

    def __str__(self) -> str:
        return self.name
