"""Cleaning a restored backup: whoever was erased since it was taken is erased again."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from catalog.models import Review
from catalog.reviews import forget_authors
from profiles.erasure import SomethingLeft, erase, wipe
from profiles.models import Identity, PrivacyRequest
from profiles.requests import Channel, Kind, Status
from tenants.tombstones import digest_of, listed, restore_rows

UNDER_WAY = (Status.APPROVED, Status.RUNNING)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did: tombstones that the database lacked, shoppers and reviews that it had.

    `unfinished` are those of the shoppers of whom something is left: the worker goes on with them.
    """

    tombstones: int
    shoppers: int
    reviews: int
    unfinished: int = 0


def replay_erasures() -> Replayed:
    """Erase again what the tombstones of PRIVACY_DIR name. Safe to run twice: the second run finds
    nothing. Reads every id of the tenant once, for a digest cannot be looked up."""
    restored = restore_rows()
    digests = dict(listed())
    shoppers: set[int] = set()
    unfinished = 0
    for kind, value, shopper in _identities():
        digest = digest_of((kind, value))
        if digest not in digests or shopper in shoppers:
            continue
        shoppers.add(shopper)
        now = timezone.now()
        request = PrivacyRequest.objects.create(
            kind=Kind.ERASURE, named=value, named_by=kind, digest=digest, channel=Channel.REPLAY,
            status=Status.APPROVED, checked_at=now, decided_at=now, decided_by="replay_erasures",
            identity_check="Erased before",
        )  # fmt: skip
        try:
            erase(request)
        except SomethingLeft:
            unfinished += 1
    # Requests that the backup remembers by name, and that are over.
    over = PrivacyRequest.objects.filter(digest__in=digests).exclude(status__in=[*UNDER_WAY])
    wipe(over)
    reviews = 0
    for author in Review.objects.exclude(shopper="").values_list("shopper", flat=True).distinct():
        if digest_of(("known", author)) in digests:
            reviews += forget_authors([author])
    logger.info("Erased %d shoppers again", len(shoppers))
    return Replayed(restored, len(shoppers), reviews, unfinished)


def _identities() -> Iterator[tuple[str, str, int]]:
    rows = Identity.objects.order_by("pk").values_list("kind", "value", "shopper_id")
    yield from list(rows.iterator(chunk_size=5_000))
