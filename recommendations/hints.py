"""What is known of a shopper who has done nothing yet, and which items go with that."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from profiles.signals import Signal, SignalKind
from recommendations.scoring import Blend
from tenants.settled import settled

MAX_PREFERENCES = 10
KEPT = 100
"""Items that one hint speaks for."""

CONSIDERED = 20_000
"""Attributes have no index: they are looked for among so many items that sell best."""

STRONG, WEAK = 0.3, 0.15
"""What a hint gives the best seller and the last of its items, beyond what selling well gives:
more than circumstances do."""


@dataclass(frozen=True, slots=True, eq=False)
class Hint:
    """Something said, not done, and the items that go with it by their weights.

    It is a signal like an event on an item, one without a place in the catalog: `number` is below
    zero, and the same for the same words.
    """

    kind: SignalKind
    name: str
    items: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    at: float | None = None
    """When it was said, in seconds since 1970; None for what holds now."""
    event_id: int | None = None

    @property
    def number(self) -> int:
        digest = hashlib.blake2b(f"{self.kind}:{self.name}".encode(), digest_size=7).digest()
        return -1 - int.from_bytes(digest)

    def signal(self, now: datetime) -> Signal:
        at = now.timestamp() if self.at is None else self.at
        return Signal(self.number, self.kind, 1.0, at, 1, self.event_id, name=self.name)


def preferred(preferences: Mapping[str, Any], blend: Blend) -> Iterator[Hint]:
    """A hint for each stated preference that items of the catalog answer to.

    `category` and `brand` mean these, any other key an attribute. Whatever training found selling
    well to be worth in this `blend`, what is preferred counts for more than that. One query for
    each preference that is not settled.
    """
    stated = [(key, value) for key, value in preferences.items() if value not in {None, ""}]
    for key, value in stated[:MAX_PREFERENCES]:
        said = value if isinstance(value, str) else json.dumps(value)
        ids = settled(f"preferring:{key}={said}", partial(_answering, key, said))
        if ids:
            items = np.array(ids, dtype=np.int64)
            yield Hint(
                SignalKind.PREFERENCE,
                f"{key} {said}",
                items,
                blend.selling + np.linspace(STRONG, WEAK, len(items)),
            )


BEST_SELLING = """
    SELECT i.id FROM catalog_item i LEFT JOIN recommendations_itemfacts f ON f.item_id = i.id
    WHERE i.available AND i.archived_at IS NULL AND {answers}
    ORDER BY coalesce(f.popularity, 0) DESC, i.id DESC LIMIT %(kept)s
"""
BY_CATEGORY = BEST_SELLING.format(answers="i.category_path @> ARRAY[%(said)s]::varchar[]")
BY_BRAND = BEST_SELLING.format(answers="i.brand = %(said)s")
BY_ATTRIBUTE = """
    SELECT id FROM (
        SELECT i.id, i.attributes ->> %(key)s AS value, f.popularity
        FROM recommendations_itemfacts f JOIN catalog_item i ON i.id = f.item_id
        WHERE i.available AND i.archived_at IS NULL
        ORDER BY f.popularity DESC LIMIT %(considered)s
    ) AS best
    WHERE lower(value) = lower(%(said)s) ORDER BY popularity DESC, id DESC LIMIT %(kept)s
"""


def _answering(key: str, said: str) -> tuple[int, ...]:
    """The best selling items that a preference is about, the best first."""
    statement = {"category": BY_CATEGORY, "brand": BY_BRAND}.get(key, BY_ATTRIBUTE)
    asked: dict[str, str | int] = {"key": key, "said": said, "kept": KEPT, "considered": CONSIDERED}
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return tuple(item for (item,) in cursor.fetchall())
