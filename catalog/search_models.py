"""What search keeps beside the items: synonyms, the catalog's words, and what is suggested."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils import timezone

from tenants.settled import SettledQuerySet, unsettle


class SearchSynonym(models.Model):
    """What else a shopper's words may stand for, in this shop."""

    words = models.CharField(
        max_length=100, unique=True, help_text="As shoppers type it, such as “trainers”."
    )
    alternatives = ArrayField(
        models.CharField(max_length=100),
        size=20,
        help_text="What it may stand for, separated by commas, such as “sneakers, gym shoes”.",
    )
    two_way = models.BooleanField(
        default=True, help_text="Each of the alternatives stands for the words as well."
    )
    active = models.BooleanField(default=True)

    objects = models.Manager.from_queryset(SettledQuerySet)()

    class Meta:
        ordering = ["words"]

    def __str__(self) -> str:
        return f"{self.words} {'↔' if self.two_way else '→'} {', '.join(self.alternatives)}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        unsettle()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        deleted = super().delete(*args, **kwargs)
        unsettle()
        return deleted


class SearchVocabulary(models.Model):
    """What the catalog had words for when it was last looked at; one row, replaced whole."""

    terms = models.JSONField(default=list, help_text="[field, value, items, share given].")
    currencies = ArrayField(models.CharField(max_length=3), default=list)
    changes = models.BigIntegerField(
        default=0, help_text="How many changes the item table had seen."
    )
    built_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager["SearchVocabulary"]] = models.Manager()

    class Meta:
        verbose_name_plural = "search vocabularies"

    def __str__(self) -> str:
        return f"{len(self.terms)} terms of {self.built_at:%F %H:%M}"


class SearchPhrase(models.Model):
    """Something that is suggested while a shopper types."""

    class Kind(models.TextChoices):
        QUERY = "query", "What many shoppers search for"
        CATEGORY = "category"
        BRAND = "brand"
        ITEM = "item"

    kind = models.CharField(max_length=10, choices=Kind)
    text = models.CharField(max_length=500)
    folded = models.CharField(max_length=500, help_text="Lower case, without accents.")
    item = models.ForeignKey(
        "catalog.Item", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    weight = models.FloatField(default=0.0, help_text="0-1 within its kind.")

    objects: ClassVar[models.Manager["SearchPhrase"]] = models.Manager()

    class Meta:
        ordering = ["-weight", "id"]
        indexes = [
            models.Index(
                fields=["folded"], opclasses=["text_pattern_ops"], name="search_phrase_prefix"
            ),
            GinIndex(fields=["folded"], opclasses=["gin_trgm_ops"], name="search_phrase_trigrams"),
        ]

    def __str__(self) -> str:
        return self.text
