"""The rows of `tenants.tombstones`."""

from django.db import models
from django.utils import timezone


class Tombstone(models.Model):
    """An id that was erased and must not come back. Only a keyed digest of it is kept."""

    digest = models.CharField(max_length=64, unique=True)
    erased_at = models.DateTimeField(default=timezone.now)
    refused = models.PositiveIntegerField(
        default=0, help_text="How often it was sent again since, and not stored."
    )
    refused_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.digest[:8]}…"
