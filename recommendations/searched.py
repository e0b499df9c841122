"""What a shopper searched for lately, and which items go with that."""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from catalog.search.find import find
from catalog.search.synonyms import synonyms_in
from catalog.search.tenant_vocabulary import tenant_vocabulary
from catalog.search.understanding.understand import understand
from catalog.search.values import Rescue, SearchRequest
from profiles.signals import SECONDS_PER_DAY, SearchedFor, SignalKind
from recommendations.hints import Hint
from recommendations.scoring import MINUTES_PER_DAY, SESSION_HALF_LIFE_MINUTES, Blend
from tenants.settled import settled

COUNTED_FOR = timedelta(days=7)
KEPT = 50
"""Items that one search speaks for."""

VISIT = 4.0
"""What a search of the moment gives the item that suits it best, beyond what selling well gives:
as a purchase of the moment gives what goes with it most."""

AFTERWARDS = 0.1
"""The share of it that outlasts the visit, and halves every day."""

WIDENED = frozenset({Rescue.MEANING, Rescue.POPULAR})
"""Ways to answer a search of whose words no item has any; what it was about is not known."""


def searched_for(searches: Sequence[SearchedFor], blend: Blend, now: datetime) -> Iterator[Hint]:
    """A hint for each of the searches that items of the catalog answer to.

    Like any signal it depends on nothing but itself: what is left of it by its age, and on how well
    an item suits it, beside the best one. Settled; finding the items of one that is not takes two
    statements at most. Raises DatabaseError.
    """
    for search in searches:
        seconds = max(now.timestamp() - search.at, 0.0)
        if seconds > COUNTED_FOR.total_seconds():
            continue
        found = settled(f"searched:{search.text.casefold()}", partial(_suiting, search.text))
        if found:
            items, suits = zip(*found, strict=True)
            yield Hint(
                SignalKind.SEARCH,
                search.text,
                np.array(items, dtype=np.int64),
                left_after(seconds) * (blend.selling + VISIT) * np.array(suits, dtype=np.float64),
                at=search.at,
                event_id=search.event_id,
            )


def left_after(seconds: float) -> float:
    """The share of its weight that a search has after a time: within the visit it halves every 20
    minutes, like all that the visit adds."""
    days = seconds / SECONDS_PER_DAY
    visit = math.exp2(-days * MINUTES_PER_DAY / SESSION_HALF_LIFE_MINUTES)
    return (1 - AFTERWARDS) * visit + AFTERWARDS * math.exp2(-days)


def _suiting(text: str) -> tuple[tuple[int, float], ...]:
    """The items that a search finds, best first, each with its score as a share of the best."""
    understood = understand(text, tenant_vocabulary())
    if not understood.text.strip():
        return ()
    results = find(
        SearchRequest(
            understood.text,
            understood.filters,
            limit=KEPT,
            synonyms=synonyms_in(understood.text),
        )
    )
    if WIDENED & set(results.rescues) or not results.hits or results.hits[0].score <= 0:
        return ()
    best = results.hits[0].score
    return tuple((hit.item_id, hit.score / best) for hit in results.hits)
