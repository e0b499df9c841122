"""What is trending these very hours: asked for by more shoppers than its popularity explains."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import orjson
from django.db import transaction
from django.db.models import Sum

from profiles.activity import Takers, takers_lately
from recommendations.models import ItemFacts
from recommendations.scoring import KIND_WEIGHTS
from tenants.connection import array_of, connection
from tenants.settled import unsettle

WINDOW = timedelta(hours=24)
"""What is older is left to the trend of the week. A day has every hour once."""

HALF_LIFE = timedelta(hours=4)

FEWEST_SHOPPERS = 3
"""Fewer are no trend, whoever they are; and nobody makes one alone by coming again."""

LEAST_GROWTH = 0.5
"""What sells half as much again as usual stands out; less is the luck of a day."""

MOST_KEPT = 1_000
"""Trending is what stands out: a list of everything would be the catalog in another order."""

USUAL = """
    SELECT item_id, popularity FROM recommendations_itemfacts WHERE item_id = ANY(%s::bigint[])
"""
FORGET = """
    UPDATE recommendations_itemfacts SET trend_now = 0
    WHERE trend_now > 0 AND item_id <> ALL(%s::bigint[])
"""
STORE = """
    INSERT INTO recommendations_itemfacts (item_id, popularity, trend, trend_now, computed_at)
    SELECT i.id, 0, 0, given.value::real, %s
    FROM json_each_text(%s::json) AS given JOIN catalog_item i ON i.id = given.key::bigint
    ON CONFLICT (item_id) DO UPDATE SET trend_now = excluded.trend_now
"""


def refresh_trending(now: datetime) -> int:
    """Find what is trending at `now` and keep it for the slates; how many items that are.

    Reads the events of WINDOW only, and writes at most MOST_KEPT rows beside those forgotten.
    """
    taken = takers_lately(now, window=WINDOW, half_life=HALF_LIFE, weights=KIND_WEIGHTS)
    all_popularity = ItemFacts.objects.aggregate(total=Sum("popularity"))["total"] or 0.0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(USUAL, [array_of(item.item for item in taken)])
        found = trend_now(taken, dict(cursor.fetchall()), all_popularity=all_popularity)
        cursor.execute(FORGET, [array_of(found)])
        changed = cursor.rowcount > 0
        if found:
            trend = {str(item): grown for item, grown in found.items()}
            cursor.execute(STORE, [now, orjson.dumps(trend).decode()])
    if found or changed:
        unsettle()  # the lists of what sells
    return len(found)


def trend_now(
    taken: Sequence[Takers], popularity: Mapping[int, float], *, all_popularity: float
) -> dict[int, float]:
    """By item, 0-1: its takers of these hours beyond the share that its popularity lets expect.

    Over the largest such growth. Shares, not counts, are compared, so that a night is no slump and
    an evening no boom. Items with fewer than FEWEST_SHOPPERS, and those that sell about as
    usual, or worse, are left out; of more than MOST_KEPT the strongest remain.
    """
    scale = sum(item.weight for item in taken) / all_popularity if all_popularity else 0.0
    growth: dict[int, float] = {}
    for item in taken:
        expected = scale * popularity.get(item.item, 0.0)
        if item.shoppers >= FEWEST_SHOPPERS and item.weight > (1 + LEAST_GROWTH) * expected:
            growth[item.item] = item.weight - expected
    strongest = sorted(growth.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_KEPT]
    largest = strongest[0][1] if strongest else 1.0
    return {item: grown / largest for item, grown in strongest}
