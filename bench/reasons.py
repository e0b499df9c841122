"""Is every reason true: `make bench-reasons`.

Serves slates on Online Retail until 10,000 items carried a reason. For each it looks the cited
signals up in the stored events, asks the policy whether they may be cited, removes them from the
database, and checks that the item's score falls by exactly what the ledger said.
"""

import math
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from typing import TYPE_CHECKING

from bench import environment
from bench.online_retail import FILE, SPLIT, load

if TYPE_CHECKING:
    from recommendations.values import RecommendationRequest, ServedItem, SignalRef

WANTED = 10_000
LIMIT = 20
TOLERANCE = 1e-6
PLACEMENTS = ("home", "quality-all")
PAGE = {"popular", "trending"}


def main() -> None:
    if not FILE.exists():
        environment.skip("reasons", "the Online Retail data is not here")
    environment.start()
    load()

    from profiles.identity import ShopperRef
    from profiles.models import ShopperState
    from recommendations.context import build_request
    from recommendations.placements import ensure_default_placements
    from recommendations.recommend import recommend

    ensure_default_placements()
    shoppers = list(
        ShopperState.stored.exclude(history=[])
        .filter(shopper__external_id__isnull=False)
        .order_by("pk")
        .values_list("shopper__external_id", flat=True)
    )
    served = without_reason = resolved = cited = faithful = checked = 0
    kinds: defaultdict[str, int] = defaultdict(int)
    with environment.step(f"Checking {WANTED} served items"):
        for number, shopper in enumerate(filter(None, shoppers)):
            if checked >= WANTED:
                break
            request = replace(
                build_request(
                    PLACEMENTS[number % len(PLACEMENTS)],
                    shopper=ShopperRef(known=shopper),
                    limit=LIMIT,
                    now=SPLIT,
                ),
                ignore_eligibility=True,
            )
            slate = recommend(request)
            citing: defaultdict[SignalRef, list[ServedItem]] = defaultdict(list)
            for item in slate.items:
                served += 1
                if item.reason is None:
                    without_reason += 1
                    continue
                for index in item.reason.cited:
                    citing[item.ledger[index].signal].append(item)
                kinds[item.reason.kind] += 1
            for signal, items in citing.items():
                good = resolves(signal, request)
                true_items = falls_by_its_contribution(signal, request, items, shopper)
                cited += len(items)
                resolved += len(items) if good else 0
                faithful += true_items if good else 0
                checked += len(items)
    print(f"{served} served, {without_reason} without a reason; kinds {dict(kinds)}")
    environment.report(
        bench="reasons",
        checked=checked,
        faithful=faithful,
        faithful_share=faithful / checked,
        cited_signals_resolved=resolved,
        served=served,
        without_reason=without_reason,
    )
    sys.exit(0 if faithful == checked == resolved else 1)


def resolves(signal: "SignalRef", request: "RecommendationRequest") -> bool:
    """Whether the signal is stored, is this shopper's, and may be cited and used."""
    from profiles.consent import permitted_events
    from profiles.models import Purpose
    from profiles.policy import signal_policy
    from recommendations.models import ItemFacts

    if signal.kind not in signal_policy().may_cite:
        return False
    if signal.kind in PAGE:
        return ItemFacts.objects.filter(item=signal.item_id).exists()
    events = permitted_events(Purpose.PERSONALIZATION).filter(
        shopper=request.shopper_id, kind=signal.kind, item=signal.item_id, occurred_at__lt=SPLIT
    )
    return events.count() == signal.events and events.filter(pk=signal.event_id or 0).exists()


def falls_by_its_contribution(
    signal: "SignalRef",
    request: "RecommendationRequest",
    items: "list[ServedItem]",
    shopper: str,
) -> int:
    """How many of `items` lose exactly the signal's contributions when it is removed.

    Removed for real: the events are deleted, the state is rebuilt, the request is read anew; then
    all of it is rolled back.
    """
    from django.db import transaction

    from profiles.identity import ShopperRef
    from profiles.models import Event
    from profiles.state import rebuild_states
    from recommendations.context import build_request
    from recommendations.models import ItemFacts
    from recommendations.recommend import ledgers_of

    with transaction.atomic():
        if signal.kind in PAGE:
            column = {"popular": "popularity", "trending": "trend"}[signal.kind]
            ItemFacts.objects.filter(item=signal.item_id).update(**{column: 0.0})
        else:
            Event.stored.filter(
                shopper=request.shopper_id, kind=signal.kind, item=signal.item_id
            ).delete()
            rebuild_states([request.shopper_id or 0], until=SPLIT)
        without = build_request(
            request.placement.code, shopper=ShopperRef(known=shopper), limit=LIMIT, now=SPLIT
        )
        after = ledgers_of(without, [item.item_id for item in items])
        transaction.set_rollback(True)
    true_items = 0
    for item in items:
        said = sum(c.amount for c in item.ledger if c.signal == signal)
        fell = item.score - math.fsum(c.amount for c in after[item.item_id])
        true_items += said > 0 and abs(fell - said) <= TOLERANCE
    return true_items


if __name__ == "__main__":
    main()
