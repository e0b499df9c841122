"""What is kept of the catalog's quality: the tenant's thresholds, scores, and doubtful spellings.

Items are named by string here, for `catalog.models` imports this module.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from tenants.settled import unsettle


class QualityPolicy(models.Model):
    """What a tenant expects of its items. One row at most; without it, the defaults hold."""

    minimum_description_words = models.PositiveSmallIntegerField(default=50)
    minimum_images = models.PositiveSmallIntegerField(default=3)
    minimum_title_characters = models.PositiveSmallIntegerField(default=10)
    minimum_reviews = models.PositiveSmallIntegerField(
        default=1, help_text="Of an item, or of all its variants together."
    )
    stock_minutes = models.PositiveIntegerField(
        default=15,
        validators=[MaxValueValidator(525_600)],
        help_text="Stock that nobody confirmed for longer is stale.",
    )
    sold_out_days = models.PositiveSmallIntegerField(
        default=30, help_text="An item sold out for longer is reported."
    )
    price_deviations = models.FloatField(
        default=5.0,
        validators=[MinValueValidator(1.0), MaxValueValidator(100.0)],
        help_text="How many robust standard deviations a price may lie from its category's"
        " median, on a logarithmic scale.",
    )
    language_model_score = models.PositiveSmallIntegerField(
        default=60,
        validators=[MaxValueValidator(100)],
        help_text="Items with a lower score are not given to a language model.",
    )
    points = models.JSONField(
        default=dict,
        blank=True,
        help_text="Points that a flaw takes off, by the code of its check; 0 turns it off.",
    )
    note = models.CharField(
        max_length=500, blank=True, help_text="Why it is as it is, for the next one who asks."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "quality policy"
        verbose_name_plural = "quality policy"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_quality_policy")]

    def __str__(self) -> str:
        return "Quality policy"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)
        unsettle()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        deleted = super().delete(*args, **kwargs)
        unsettle()
        return deleted


class ItemQuality(models.Model):
    """How good an item's record is, as far as minutes do not matter.

    `flaws` are codes of `catalog.quality.checks`; `found` says for some of them what was found.
    `score` leaves the age of the stock out: `Item.objects.with_quality()` takes it in.
    """

    item = models.OneToOneField(
        "catalog.Item", on_delete=models.CASCADE, primary_key=True, related_name="quality"
    )
    score = models.PositiveSmallIntegerField()
    flaws = ArrayField(models.CharField(max_length=40), default=list)
    found = models.JSONField(default=dict)
    keys = ArrayField(
        models.CharField(max_length=250),
        default=list,
        help_text="What it could share with a duplicate: title, SKU and GTIN in a common form.",
    )
    text_language = models.CharField(max_length=10, blank=True, help_text="Empty: not sure.")
    sold_out_since = models.DateTimeField(null=True)
    price = models.DecimalField(
        max_digits=16, decimal_places=4, null=True, help_text="The price that was judged."
    )
    checked_at = models.DateTimeField()

    class Meta:
        indexes = [
            GinIndex(fields=["flaws"], name="itemquality_flaws"),
            GinIndex(fields=["keys"], name="itemquality_keys"),
            models.Index(fields=["score"], name="itemquality_score"),
        ]
        verbose_name_plural = "item qualities"

    def __str__(self) -> str:
        return f"{self.score} of 100"


class PriceRange(models.Model):
    """The usual prices of a category: median and spread of their natural logarithms."""

    category = models.TextField(help_text="The whole path, joined by the unit separator.")
    currency = models.CharField(max_length=3)
    items = models.PositiveIntegerField()
    median = models.FloatField()
    spread = models.FloatField(help_text="Median absolute deviation, scaled to a normal one.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["category", "currency"], name="one_price_range")
        ]

    def __str__(self) -> str:
        return f"{self.category} in {self.currency}"


class QualityIssue(models.Model):
    """Words of the whole catalog that probably mean the same, but are spelled in several ways."""

    class Kind(models.TextChoices):
        ATTRIBUTE_NAME = "attribute_name", "Attribute names"
        ATTRIBUTE_VALUE = "attribute_value", "Attribute values"
        BRAND = "brand", "Brands"
        CATEGORY = "category", "Categories"

    kind = models.CharField(max_length=20, choices=Kind)
    about = models.CharField(
        max_length=200, blank=True, help_text="Of values: the attribute that they are values of."
    )
    suggestion = models.CharField(
        max_length=300, help_text="The spelling that most items have, to keep."
    )
    spellings = models.JSONField(help_text="Every spelling with the number of its items.")
    items = models.PositiveIntegerField(help_text="Items with one of the other spellings.")
    found_at = models.DateTimeField(auto_now_add=True)
    accepted_at = models.DateTimeField(
        null=True, blank=True, help_text="Set when a person said that the difference is meant."
    )

    class Meta:
        ordering = ["-items", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "about", "suggestion"], name="one_quality_issue"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.suggestion}"
