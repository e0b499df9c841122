"""What is chosen in which circumstances: by device, country, referrer and time of day."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.models import Count
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import ExtractHour
from django.utils import timezone

from profiles.consent import permitted_events
from profiles.models import Event, EventKind, PersonalDataQuerySet, Purpose
from profiles.signals import SignalKind
from recommendations.hints import Hint
from recommendations.models import CircumstanceItems
from recommendations.rules import Circumstances
from tenants.settled import settled, unsettle

DAYS = 28
CHOSEN = (EventKind.ADD_TO_CART, EventKind.PURCHASE)
DIMENSIONS = ("device", "country", "referrer")
DAY_PARTS = ("night", "morning", "afternoon", "evening")
"""Six hours each, in the time zone of the shop."""

MIN_TAKERS = 20
"""A circumstance that fewer shoppers chose something in says nothing."""
PRIOR = 50.0
"""Takers who choose as everybody does, added to those of a circumstance."""
MAX_VALUES = 200
KEPT = 50
STRONGEST = 0.05
"""What a circumstance gives the item that stands out most in it: little beside a click."""

Counts = Mapping[int, int]


def refresh_circumstances(now: datetime) -> int:
    """Learn anew what stands out in which circumstances; how many of these there are.

    From the events of the last 28 days of shoppers who grant research. Five queries.
    """
    everywhere: dict[int, int] = dict(
        _events(now).values_list("item_id").annotate(takers=Count("shopper_id", distinct=True))
    )
    rows = [
        CircumstanceItems(
            dimension=dimension,
            value=value,
            item_ids=items.tolist(),
            weights=weights.tolist(),
        )
        for dimension, value, counts in _counted(now)
        for items, weights in [standing_out(counts, everywhere)]
        if len(items)
    ]
    with transaction.atomic():
        CircumstanceItems.objects.all().delete()
        CircumstanceItems.objects.bulk_create(rows[:MAX_VALUES])
    unsettle()
    return len(rows)


def standing_out(
    counts: Counts, everywhere: Counts
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The items whose share of the choices is larger here than it is everywhere, by how much.

    The largest excess weighs STRONGEST. Shares are pulled towards those of everybody, so that two
    choices are no custom of a country.
    """
    items = np.array(sorted(counts), dtype=np.int64)
    here = np.array([counts[item] for item in items.tolist()], dtype=np.float64)
    if here.sum() < MIN_TAKERS:
        return items[:0], here[:0]
    usual = np.array([everywhere.get(item, 0) for item in items.tolist()], dtype=np.float64)
    usual /= max(sum(everywhere.values()), 1)
    excess = (here + PRIOR * usual) / (here.sum() + PRIOR) - usual
    best = np.argsort(-excess, kind="stable")[:KEPT]
    best = best[excess[best] > 0]
    weights = STRONGEST * excess[best] / excess[best].max(initial=1e-12)
    return items[best], weights


def hints_of(around: Circumstances, now: datetime) -> Iterator[Hint]:
    """A hint for each circumstance of a request that anything is known of. Settled."""
    known = cast("dict[tuple[str, str], _Items]", settled("circumstances", _read) or {})
    if not known:
        return
    part = DAY_PARTS[timezone.localtime(now).hour // 6]
    for dimension, value in (
        ("device", around.device.lower()),
        ("country", around.country.upper()),
        ("referrer", around.referrer.lower()),
        ("hour", part),
    ):
        if found := known.get((dimension, value)):
            yield Hint(SignalKind.CIRCUMSTANCE, f"{dimension} {value}", *found)


_Items = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


def _read() -> dict[tuple[str, str], _Items]:
    return {
        (row.dimension, row.value): (
            np.array(row.item_ids, dtype=np.int64),
            np.array(row.weights, dtype=np.float64),
        )
        for row in CircumstanceItems.objects.all()
    }


def _events(now: datetime) -> PersonalDataQuerySet[Event]:
    since = now - timedelta(days=DAYS)
    events = permitted_events(Purpose.RESEARCH)
    return events.filter(
        kind__in=CHOSEN, item__isnull=False, occurred_at__gte=since, occurred_at__lt=now
    ).order_by()


def _counted(now: datetime) -> Iterator[tuple[str, str, Counts]]:
    """Dimension, value, and how many shoppers chose each item in it; the most frequent first."""
    for dimension in (*DIMENSIONS, "hour"):
        by_value: dict[str, dict[int, int]] = {}
        said = (
            ExtractHour("occurred_at")
            if dimension == "hour"
            else KeyTextTransform(dimension, "context")
        )
        rows = (
            _events(now)
            .annotate(said=said)
            .exclude(said=None)
            .values_list("said", "item_id")
            .annotate(takers=Count("shopper_id", distinct=True))
        )
        for value, item, takers in rows.iterator(chunk_size=20_000):
            name = _named(dimension, value)
            counts = by_value.setdefault(name, {})
            counts[item] = counts.get(item, 0) + takers
        frequent = sorted(by_value.items(), key=lambda found: -sum(found[1].values()))
        for value, counts in frequent[:KEPT]:
            yield dimension, value, counts


def _named(dimension: str, value: str | int) -> str:
    """A value as requests say it."""
    if dimension == "hour":
        return DAY_PARTS[int(value) // 6]
    return str(value).upper() if dimension == "country" else str(value).lower()[:100]
