"""What recommendations and searches hold of a shopper, store by store."""

from collections.abc import Iterator
from typing import Any

import orjson
from django.db.models import Q, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone
from django_redis import get_redis_connection

from profiles.consent import permitted_events
from profiles.erasure import register_learned
from profiles.learning import register_learner
from profiles.models import Purpose
from profiles.stores import Person, Row, Store, When, of_rows, register
from recommendations import feedback
from recommendations.models import (
    Decision,
    Impression,
    ItemComplements,
    ItemNeighbors,
    ItemPairs,
    PreparedSlate,
    RankerVersion,
)
from recommendations.search_models import Search
from recommendations.searching import log
from recommendations.unlearning import LEARNER, unlearn


def register_stores() -> None:
    """Called once, by the app."""
    register(DECISIONS, SEARCHES, BUFFERED, PREPARED, LEARNED)
    register_learned(_what_serves)
    register_learner(LEARNER)


# -- What was shown -------------------------------------------------------------------------------


def _decisions(person: Person) -> QuerySet[Decision]:
    return Decision.objects.filter(shopper__in=person.shoppers)


def _decision_rows(person: Person) -> Iterator[Row]:
    for decision in _decisions(person).order_by("served_at").iterator(chunk_size=500):
        yield {
            "decision": str(decision.pk),
            "placement": decision.placement,
            "served_at": decision.served_at,
            "items": [
                {
                    "item": item.get("external_id"),
                    "title": item.get("title"),
                    "score": item.get("score"),
                    "reason": (item.get("reason") or {}).get("text"),
                    "because_of": item.get("contributions"),
                }
                for item in decision.slate
            ],
        }


def _anonymize_decisions(person: Person) -> None:
    """Whose it was, what it was made of and the minute go. Placement, items and positions stay, as
    numbers of nobody."""
    _decisions(person).update(
        shopper=None,
        slate=[],
        candidates=[],
        context={},
        latency_ms=0,
        served_at=TruncHour("served_at"),
    )


DECISIONS = Store(
    "decisions and impressions",
    "What was shown to the shopper, and why",
    When.AFTER,
    (Decision, Impression),
    count=lambda person: _decisions(person).count(),
    rows=_decision_rows,
    erase=_anonymize_decisions,
    keeps="Which items were shown at which position in which hour, to nobody.",
)


def _searches(person: Person) -> QuerySet[Search]:
    """Those kept with the shopper, and those that are known by the slate of the same id."""
    shown = Decision.objects.filter(shopper__in=person.shoppers).values("pk")
    return Search.objects.filter(Q(shopper__in=person.shoppers) | Q(pk__in=shown))


SEARCHES = of_rows(
    "searches",
    "What the shopper searched for",
    _searches,
    without=("drawer", "folded", "latency_ms", "fallbacks"),
)

PREPARED = of_rows(
    "prepared slates",
    "Slates that are ready to be shown again",
    lambda person: PreparedSlate.objects.filter(shopper__in=person.shoppers),
    without=("id", "page", "version", "generation", "noted"),
)


# -- On its way from an answer to a table ---------------------------------------------------------


def _is_of(entry: dict[str, Any], person: Person) -> bool:
    return (
        entry.get("shopper_id") in person.shoppers
        or entry.get("known") in person.known
        or entry.get("anonymous") in person.anonymous
    )


def _buffered(person: Person) -> Iterator[dict[str, Any]]:
    valkey = get_redis_connection("default")
    for buffer in (feedback.buffer, log.buffer):
        entries = map(orjson.loads, valkey.lrange(buffer.key(), 0, -1))
        yield from (entry for entry in entries if _is_of(entry, person))


def _buffered_rows(person: Person) -> Iterator[Row]:
    for entry in _buffered(person):
        yield {"id": entry["id"], "text": entry.get("text"), "placement": entry.get("placement")}


def _move_buffers(_: Person) -> None:
    """To the tables, whose writers leave out who was erased."""
    feedback.write_decisions()
    log.write_searches()


BUFFERED = Store(
    "answers being written",
    "Slates and searches of the last seconds, on their way to their tables",
    When.AFTER,
    (),
    count=lambda person: sum(1 for _ in _buffered(person)),
    rows=_buffered_rows,
    erase=_move_buffers,
)


# -- What was learned -----------------------------------------------------------------------------


def _counted(person: Person) -> int:
    """Events of the shopper that the neighbors may have been learned from: none once nobody may
    read them any more."""
    events = permitted_events(Purpose.RESEARCH).filter(shopper__in=person.shoppers)
    return events.exclude(item=None).count()


def _unlearn(person: Person) -> None:
    unlearn(person.shoppers, timezone.now())


LEARNED = Store(
    "trained neighbors",
    "Events that the ranker has learned from",
    When.FIRST,
    (ItemNeighbors, ItemComplements, ItemPairs),
    count=_counted,
    rows=lambda _: (),
    erase=_unlearn,
    keeps="Weights and complements that are sums over all shoppers, until the training of the"
    " next night learns them anew.",
)


def _what_serves() -> dict[str, Any]:
    live = RankerVersion.objects.live().first()
    return {
        "ranker_version": live.pk if live else None,
        "trained_at": live.trained_at.isoformat() if live else None,
        "neighbors": "The shopper's contribution was taken off.",
    }
