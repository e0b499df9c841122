"""What kinds of signal may do: the terms in force, those proposed, and what is sensitive."""

from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from tenants.settled import SettledQuerySet, unsettle


class Sensitivity(models.TextChoices):
    """How much a kind of signal gives away of a person."""

    ORDINARY = "ordinary", "Ordinary"
    PERSONAL = "personal", "Personal"
    SPECIAL = "special", "Special category"


class SignalTerms(models.Model):
    """What a kind of signal may do."""

    signal_kind = models.CharField(max_length=30)
    may_collect = models.BooleanField(
        default=True, help_text="Events of this kind are taken in; else they are refused."
    )
    may_rank = models.BooleanField(default=True, help_text="It may move items up or down.")
    may_cite = models.BooleanField(default=True, help_text="A reason may name it to the shopper.")
    may_prompt = models.BooleanField(
        default=False, help_text="It may be sent to a language model, with the shopper's consent."
    )
    sensitivity = models.CharField(max_length=10, choices=Sensitivity, default=Sensitivity.ORDINARY)
    retention_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text="Older ones are not ranked on, and their events are removed nightly. Empty: no"
        " limit of its own.",
    )

    class Meta:
        abstract = True

    TERMS: ClassVar[tuple[str, ...]] = (
        *("may_collect", "may_rank", "may_cite", "may_prompt", "sensitivity", "retention_days"),
    )

    def __str__(self) -> str:
        return self.signal_kind

    def terms(self) -> dict[str, Any]:
        """The terms alone, by field."""
        return {name: getattr(self, name) for name in self.TERMS}


class Settles(models.Model):
    """Rows that a settled value is made of: saving or deleting one is noticed."""

    objects = models.Manager.from_queryset(SettledQuerySet)()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        unsettle()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        deleted = super().delete(*args, **kwargs)
        unsettle()
        return deleted


class SignalPolicy(Settles, SignalTerms):
    """The terms in force for a kind. A kind without a row follows its default.

    `profiles.policy` alone writes it, from a proposal that was approved.
    """

    signal_kind = models.CharField(max_length=30, unique=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["signal_kind"]
        verbose_name_plural = "signal policies"


class PolicyProposal(SignalTerms):
    """Terms that somebody wants, and what became of them. Kept as the history of the policy."""

    class Status(models.TextChoices):
        PROPOSED = "proposed", "Proposed"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"

    why = models.CharField(max_length=500, help_text="What the shop needs it for.")
    status = models.CharField(
        max_length=10, choices=Status, default=Status.PROPOSED, editable=False
    )
    version = models.PositiveIntegerField(null=True, editable=False)
    proposed_by = models.CharField(max_length=200, editable=False)
    proposed_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_by = models.CharField(max_length=200, blank=True, editable=False)
    decided_at = models.DateTimeField(null=True, editable=False)
    decision = models.CharField(max_length=500, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        permissions = [("decide_policyproposal", "Can approve or refuse what signals may do")]
        constraints = [
            models.UniqueConstraint(
                fields=["signal_kind", "version"],
                condition=Q(version__isnull=False),
                name="policy_version_unique_per_kind",
            )
        ]


class SensitiveTopic(Settles):
    """What gives away more than a taste: a category of the catalog, or a circumstance.

    Signals about its items are never cited, and are ranked on only where that was allowed here.
    """

    class About(models.TextChoices):
        CATEGORY = "category", "Category"
        CIRCUMSTANCE = "circumstance", "Circumstance"

    about = models.CharField(max_length=20, choices=About, default=About.CATEGORY)
    value = models.CharField(
        max_length=200,
        help_text="A category by its name at any level, or a circumstance such as “hour night”.",
    )
    topic = models.CharField(
        max_length=100, blank=True, help_text="Such as health, religion, pregnancy or debt."
    )
    may_rank = models.BooleanField(default=False, help_text="Signals about it may move items.")

    class Meta:
        ordering = ["about", "value"]
        constraints = [
            models.UniqueConstraint(fields=["about", "value"], name="sensitive_topic_unique")
        ]

    def __str__(self) -> str:
        return self.value
