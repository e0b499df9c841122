"""How long each kind of data is kept, and what was removed each night."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone


class RetentionRule(models.Model):
    """The days that a kind of data is kept in this shop. A kind without a row has its default."""

    kind = models.CharField(max_length=30, unique=True)
    days = models.PositiveIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text="What is older is removed in the next night, for good.",
    )
    note = models.CharField(max_length=500, blank=True, help_text="Why so long, or so short.")

    class Meta:
        ordering = ["kind"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.days} days"


class RetentionRun(models.Model):
    """What one night removed of one kind. Added by the platform, never changed."""

    kind = models.CharField(max_length=30)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    days = models.PositiveIntegerField(help_text="That it was kept at that time.")
    before = models.DateTimeField(help_text="What was older was removed.")
    rows = models.PositiveBigIntegerField(default=0)
    partitions = ArrayField(
        models.CharField(max_length=63), default=list, help_text="Tables that were dropped whole."
    )
    by_policy = models.JSONField(
        default=dict,
        help_text="Of the rows, those whose kind of signal is kept for a shorter time.",
    )
    failure = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ["-at", "kind"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.at:%F}"
