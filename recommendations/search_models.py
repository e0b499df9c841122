"""What was searched for: one row a search, kept for reports; personal only as far as granted."""

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models


class SearchQuerySet(models.QuerySet["Search"]):
    def older_than(self, moment: datetime) -> Self:
        return self.filter(searched_at__lt=moment)

    def first_pages(self) -> Self:
        """Searches as a shopper counts them: paging on is no search of its own."""
        return self.filter(offset=0)


class Search(models.Model):
    """One search as it was answered. Its id is that of the decision, so events name it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    searched_at = models.DateTimeField()
    text = models.CharField(max_length=500, blank=True, help_text="As it was typed.")
    folded = models.CharField(
        max_length=500, blank=True, help_text="In lower case, without accents and extra spaces."
    )
    language = models.CharField(max_length=10, blank=True)
    shopper = models.ForeignKey(
        "profiles.Shopper",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty unless the shopper grants analytics.",
    )
    drawer = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="One of 256 that visitors are spread over: it tells many from few, and nobody.",
    )
    results = models.PositiveIntegerField()
    rescues = ArrayField(models.CharField(max_length=20), default=list)
    corrected = models.CharField(max_length=500, blank=True)
    filters = ArrayField(models.CharField(max_length=600), default=list)
    understood = ArrayField(models.CharField(max_length=600), default=list)
    sort = models.CharField(max_length=20)
    offset = models.PositiveIntegerField(default=0)
    personalized = models.BooleanField(default=False)
    fallbacks = ArrayField(models.CharField(max_length=40), default=list)
    latency_ms = models.FloatField()
    clicks = models.PositiveIntegerField(
        default=0, help_text="Events that name this search: what shoppers did with its results."
    )

    objects: ClassVar[models.Manager["Search"]] = SearchQuerySet.as_manager()

    class Meta:
        ordering = ["-searched_at"]
        verbose_name_plural = "searches"
        indexes = [
            models.Index(fields=["-searched_at"], name="search_searched_at"),
            models.Index(fields=["folded", "searched_at"], name="search_folded_time"),
        ]

    def __str__(self) -> str:
        return self.text or "everything"
