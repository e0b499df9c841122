"""What a shopper was shown lately: counted item by item, so that nothing is shown too often."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from profiles.models import Consent, Purpose, ShopperState
from profiles.signals import SECONDS_PER_DAY

DAYS_KEPT = 30
EMPTY_CART: Mapping[str, dict[str, list[float]]] = {"items": {}, "left": {}}

Seen = dict[str, list[list[int]]]
"""Impressions by item id: [day since 1970, how many], the oldest first."""


def day_of(moment: datetime) -> int:
    """The day of a moment, counted from 1970, UTC."""
    return int(moment.timestamp() // SECONDS_PER_DAY)


def count_impressions(shown: Mapping[int, Iterable[int]], at: datetime) -> None:
    """Add what shoppers were shown to their states: item ids by shopper id.

    Runs in the caller's transaction. Those who withdrew personalization meanwhile are passed
    over. Days older than DAYS_KEPT are forgotten.
    """
    permitted = Consent.objects.filter(
        shopper__in=list(shown), purpose=Purpose.PERSONALIZATION, granted=True
    )
    ids = sorted(permitted.values_list("shopper_id", flat=True))
    ShopperState.stored.bulk_create(
        [ShopperState(shopper_id=shopper, cart=EMPTY_CART) for shopper in ids],
        ignore_conflicts=True,
    )
    states = list(
        ShopperState.stored.select_for_update()
        .filter(shopper_id__in=ids)
        .order_by("pk")
        .only("shopper_id", "seen")
    )
    for state in states:
        state.seen = add(state.seen, shown[state.shopper_id], day_of(at))
    ShopperState.stored.bulk_update(states, ["seen"], batch_size=500)


def add(seen: Seen, items: Iterable[int], day: int) -> Seen:
    """`seen` with one more impression of each item on `day`, without what is too old."""
    kept = {
        item: recent
        for item, days in seen.items()
        if (recent := [entry for entry in days if entry[0] > day - DAYS_KEPT])
    }
    for item, count in Counter(items).items():
        days = kept.setdefault(str(item), [])
        if days and days[-1][0] == day:
            days[-1] = [day, days[-1][1] + count]
        else:
            kept[str(item)] = sorted([*days, [day, count]])
    return kept


def shown_too_often(
    seen: Seen, *, most: int, days: int, now: datetime, reacted: Collection[int]
) -> frozenset[int]:
    """The items that were shown `most` times or more in the last `days` days, today included, and
    are not among those the shopper `reacted` to."""
    since = day_of(now) - days
    return frozenset(
        int(item)
        for item, entries in seen.items()
        if sum(count for day, count in entries if day > since) >= most and int(item) not in reacted
    )
