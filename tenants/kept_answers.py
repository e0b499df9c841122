"""The rows of `tenants.idempotency`."""

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.utils import timezone

KEPT_FOR = timedelta(hours=24)


class KeptAnswerQuerySet(models.QuerySet["KeptAnswer"]):
    def expired(self, now: datetime) -> Self:
        return self.filter(made_at__lt=now - KEPT_FOR)


class KeptAnswer(models.Model):
    """What a write was answered, for the same request when it comes again.

    Of names and shoppers keyed digests are kept; the answer is encrypted with a key that only the
    request's own name completes.
    """

    api_key = models.ForeignKey("tenants.ApiKey", models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, help_text="Of the name that the request was given.")
    asked = models.CharField(max_length=64, help_text="SHA-256 of all that was asked.")
    about = models.CharField(
        max_length=64, blank=True, help_text="Whose: the digest that a tombstone would have."
    )
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.BinaryField(default=b"")
    made_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects: ClassVar[KeptAnswerQuerySet] = KeptAnswerQuerySet.as_manager()  # type: ignore[assignment]  # django-stubs makes a manager of it

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["api_key", "digest"], name="kept_answer_once")
        ]
        indexes = [
            models.Index(fields=["about"], condition=~models.Q(about=""), name="kept_answer_about")
        ]

    def __str__(self) -> str:
        return f"{self.digest[:8]}…"
