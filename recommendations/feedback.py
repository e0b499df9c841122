"""Keeping what was served: decisions go to a buffer as they are answered, to tables after.

On the way they are in a `buffer`, which one Celery task moves to Postgres.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.utils import timezone
from redis.exceptions import RedisError

from catalog.models import Item
from profiles.consent import granted_since
from profiles.exposure import count_impressions
from profiles.models import Purpose
from recommendations.buffer import Buffer, Entry
from recommendations.fallbacks import Fallback
from recommendations.models import Decision, Impression, Placement
from recommendations.outbox import SENT_EVERY
from recommendations.prepared import Preparation, Ready, prepare
from recommendations.values import PlacementSettings, Slate, relevance
from tenants.connection import tenant_id
from tenants.errors import DomainError, ErrorKind

logger = logging.getLogger(__name__)

DELETED_AT_ONCE = 5_000


def record_served(slate: Slate, *, again: Preparation | None = None) -> None:
    """Note the decision; it is in the buffer some milliseconds after the answer (`buffer`), and
    written down only then.

    `again` is what serving it again needs. Never raises: an answer that is ready is not withheld
    because it cannot be noted.
    """
    buffer.add(partial(_noted, slate, tenant_id(), again))


def _noted(slate: Slate, tenant: int | None, again: Preparation | None) -> bytes:
    prepare = again and again.as_json(slate)
    return orjson.dumps({**_compact(slate), "tenant": tenant, "prepare": prepare})


def record_prepared(
    ready: Ready, *, settings: PlacementSettings, limit: int, now: datetime, latency_ms: float
) -> UUID:
    """Note that a prepared slate was served, as `record_served`; the decision's id."""
    decision = uuid4()
    header = {
        "id": decision,
        "tenant": tenant_id(),
        "placement": settings.code,
        "shopper_id": ready.shopper_id,
        "served_at": now.timestamp(),
        "ranker_version": settings.ranker_version,
        "fallbacks": (),
        "latency_ms": latency_ms,
        "context": {"items": [], "cart": [], "limit": limit, "prepared": True},
    }
    buffer.add(orjson.dumps(header)[:-1] + b"," + ready.noted.encode()[1:])
    return decision


def write_decisions() -> int:
    """Move what is buffered to the tables; how many decisions that were (`Buffer.move`)."""
    return buffer.move()


def get_decision(decision_id: UUID) -> Decision:
    """A decision, also one still in the buffer. Raises DomainError `unknown_decision`."""
    decision = Decision.objects.filter(pk=decision_id).first()
    # The second time for one that another process has answered with and not yet sent.
    for wait in (timedelta(0), 2 * SENT_EVERY):
        if decision is not None:
            return decision
        time.sleep(wait.total_seconds())
        try:
            write_decisions()
        except RedisError:
            logger.exception("The buffer of decisions is out")
        decision = Decision.objects.filter(pk=decision_id).first()
    if decision is None:
        raise DomainError(
            "unknown_decision", "There is no such decision.", kind=ErrorKind.NOT_FOUND
        )
    return decision


def delete_old(before: datetime) -> int:
    """Delete the decisions before a moment, with their impressions; how many that were. Those of
    shoppers under a restriction stay."""
    deleted = 0
    old = Decision.objects.older_than(before).exclude(shopper__restricted_at__isnull=False)
    old = old.order_by("served_at")
    while batch := list(old.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        Decision.objects.filter(pk__in=batch).delete()
        deleted += len(batch)
    return deleted


def _compact(slate: Slate) -> dict[str, Any]:
    """A slate for the buffer. Signals are listed once, for most speak for many items."""
    # Ledgers of one request share their table of signals.
    table = slate.items[0].ledger.signals if slate.items else ()
    items = []
    for served in slate.items:
        reason = served.reason
        items.append(
            {
                "item_id": served.item_id,
                "external_id": served.external_id,
                "title": served.title,
                "image": served.image,
                "score": served.score,
                "ledger": served.ledger.entries,
                "reason": reason
                and {"kind": reason.kind, "text": reason.text, "cited": reason.cited},
            }
        )
    return {
        "id": str(slate.decision_id),
        "placement": slate.placement,
        "shopper_id": slate.shopper_id,
        "served_at": slate.served_at.timestamp(),
        "ranker_version": slate.ranker_version,
        "fallbacks": slate.fallbacks,
        "latency_ms": slate.latency_ms,
        "context": slate.context,
        "candidates": slate.candidates,
        "signals": [[s.kind, s.item_id, s.event_id, s.at, s.events, s.name] for s in table],
        "items": items,
    }


def _write(compact: Sequence[Entry]) -> None:
    named = {signal[1] for entry in compact for signal in entry["signals"] if signal[1]}
    served = {item["item_id"] for entry in compact for item in entry["items"]}
    items = {
        pk: (external_id, title)
        for pk, external_id, title in Item.objects.filter(pk__in=named | served).values_list(
            "pk", "external_id", "title"
        )
    }
    # A shopper erased in between, or who withdrew, takes all but the counts along; an item its
    # impressions.
    named_shoppers = {entry["shopper_id"] for entry in compact if entry["shopper_id"]}
    shoppers = set(granted_since(named_shoppers, Purpose.PERSONALIZATION))
    _count_impressions(compact)
    Decision.objects.bulk_create(
        [_decision(entry, items, shoppers) for entry in compact], ignore_conflicts=True
    )
    prepare(compact, shoppers)
    Impression.objects.bulk_create(
        [
            Impression(
                decision_id=entry["id"],
                item_id=item["item_id"],
                position=position,
                score=item["score"],
                reason_kind=item["reason"]["kind"] if item["reason"] else "",
            )
            for entry in compact
            for position, item in enumerate(entry["items"])
            if item["item_id"] in items
        ],
        ignore_conflicts=True,
    )


def _count_impressions(entries: Sequence[dict[str, Any]]) -> None:
    """Note what shoppers saw in placements with a frequency cap; of each decision once."""
    capped = set(Placement.objects.exclude(cap_impressions=None).values_list("code", flat=True))
    counted = [e for e in entries if e["shopper_id"] and e["placement"] in capped]
    if not counted:
        return
    known = Decision.objects.filter(pk__in=[entry["id"] for entry in counted])
    written = {str(pk) for pk in known.values_list("pk", flat=True)}
    shown: defaultdict[int, list[int]] = defaultdict(list)
    for entry in counted:
        if entry["id"] not in written:
            shown[entry["shopper_id"]] += [item["item_id"] for item in entry["items"]]
    count_impressions(shown, timezone.now())


def _decision(
    entry: dict[str, Any], items: dict[int, tuple[str, str]], shoppers: set[int]
) -> Decision:
    if entry["shopper_id"] and entry["shopper_id"] not in shoppers:
        return _anonymous(entry)
    signals = [_signal(signal, items) for signal in entry["signals"]]
    return Decision(
        id=entry["id"],
        placement=entry["placement"],
        shopper_id=entry["shopper_id"],
        served_at=datetime.fromtimestamp(entry["served_at"], UTC),
        ranker_version=entry["ranker_version"],
        fallbacks=entry["fallbacks"],
        latency_ms=entry["latency_ms"],
        context=entry["context"],
        candidates=entry["candidates"],
        slate=[
            {
                **{name: value for name, value in item.items() if name != "ledger"},
                "relevance": relevance(item["score"]),
                "contributions": [
                    {"generator": generator, "signal": signals[index], "amount": amount}
                    for index, generator, amount in item["ledger"]
                ],
            }
            for item in entry["items"]
        ],
    )


def _anonymous(entry: dict[str, Any]) -> Decision:
    """What stays of a slate for somebody who was erased: its impressions hang on it."""
    hour = datetime.fromtimestamp(entry["served_at"], UTC).replace(minute=0, second=0)
    return Decision(
        id=entry["id"],
        placement=entry["placement"],
        served_at=hour.replace(microsecond=0),
        ranker_version=entry["ranker_version"],
        fallbacks=entry["fallbacks"],
        latency_ms=0,
    )


def _signal(stored: list[Any], items: dict[int, tuple[str, str]]) -> dict[str, Any]:
    kind, item_id, event_id, at, events, name = stored
    external_id, title = items.get(item_id or 0, (None, None))
    return {
        "kind": kind,
        "item_id": item_id,
        "item": external_id,
        "title": title,
        "event_id": event_id,
        "at": datetime.fromtimestamp(at, UTC).isoformat() if at else None,
        "events": events,
        "name": name,
    }


buffer = Buffer("decisions", _write, fallback=Fallback.DECISION_LOG)
