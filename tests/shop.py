"""A planted-truth shop: who buys what is known, so the right answers are too.

Two kinds of shopper buy within their own half of the catalog: campers and cooks. Each pair of
neighboring items of a half is bought together, so "goes with" has one right answer as well.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.utils import timezone

from catalog.models import Item
from profiles.ingest import record_events
from profiles.models import EventKind
from recommendations.models import RankerVersion
from recommendations.training_run import train
from tests.make import make_item, make_shopper

CAMPING = ("Tent", "Sleeping bag", "Camping stove", "Headlamp", "Hiking boots", "Water filter")
KITCHEN = ("Frying pan", "Chef's knife", "Cutting board", "Stockpot", "Whisk", "Colander")
SHOPPERS = 40


@dataclass(frozen=True)
class Shop:
    camping: list[Item]
    kitchen: list[Item]
    ranker: RankerVersion


def planted_shop(*, seed: int = 5) -> Shop:
    """Make the shop in the current tenant, and train on it.

    What is learned is the same in every test: the log ends at the last midnight, and no two items
    are taken at one moment, so that neither the hour nor an id decides. In so small a log either
    can turn what selling well is found to be worth.
    """
    camping = [
        make_item(f"C{n}", title=t, category_path=("Camping",)) for n, t in enumerate(CAMPING)
    ]
    kitchen = [
        make_item(f"K{n}", title=t, category_path=("Kitchen",)) for n, t in enumerate(KITCHEN)
    ]
    rng = np.random.default_rng(seed)
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    events = []
    for number in range(SHOPPERS):
        half = camping if number % 2 else kitchen
        shopper = make_shopper(f"planted-{number}")
        for visit in range(4):
            first = int(rng.integers(0, len(half) - 1))
            at = midnight - timedelta(days=60 - 15 * visit, minutes=int(rng.integers(0, 600)))
            events += [
                {
                    "kind": EventKind.PURCHASE.value,
                    "shopper": shopper.external_id,
                    "item": item.external_id,
                    "occurred_at": at + timedelta(seconds=order),
                    "session": f"{number}-{visit}",
                }
                for order, item in enumerate(half[first : first + 2])
            ]
    record_events(events)
    return Shop(camping, kitchen, ranker=train(midnight))
