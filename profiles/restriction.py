"""Restriction of processing: what is held on a shopper stays, and nobody uses it (Article 18)."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from profiles.consent import record_consents
from profiles.models import Purpose, Shopper


def restrict(shopper: Shopper, *, source: str, now: datetime | None = None) -> None:
    """Withdraw every purpose, and let none be granted until the restriction is lifted."""
    with transaction.atomic():
        record_consents([shopper], dict.fromkeys(Purpose, False), source=source, now=now)
        Shopper.objects.filter(pk=shopper.pk).update(restricted_at=now or timezone.now())
    shopper.refresh_from_db(fields=["restricted_at"])


def lift_restriction(shopper: Shopper) -> None:
    """Let purposes be granted again. None is: the shopper chooses anew."""
    Shopper.objects.filter(pk=shopper.pk).update(restricted_at=None)
    shopper.refresh_from_db(fields=["restricted_at"])


def restricted_shoppers() -> list[int]:
    """Who is under a restriction now: of them nothing is removed for being old, for they may need
    it against the shop (Article 18(1)(b) and (c)). One query."""
    return list(Shopper.objects.exclude(restricted_at=None).values_list("pk", flat=True))


def carry_over(old: int, into: int) -> None:
    """Restrict `into` where `old`, who is being merged into it, is: a history does not become
    usable by becoming known. Runs in the caller's transaction, which has both locked."""
    if Shopper.objects.filter(pk=old).exclude(restricted_at=None).exists():
        restrict(Shopper.objects.get(pk=into), source="restriction of a merged device")
