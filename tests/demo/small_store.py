"""A demo store small enough for a test: campers and cooks, each in a half of real demo items."""

from datetime import datetime, timedelta

import numpy as np

from demo.loading import DemoRule, StoreData
from demo.reviews import reviews
from demo.shop_catalog import shop_items
from demo.stores import SEED, SHOP, Store
from demo.values import DemoEvent, DemoItem, DemoShopper, Purpose, Taste
from recommendations.models import MerchandisingRule

CAMPING, KITCHEN = "Outdoor & Camping", "Kitchen"
EVERYTHING: frozenset[Purpose] = frozenset(
    {"personalization", "analytics", "marketing", "language_model", "research"}
)
CAMPER, COOK, REFUSER, NEWCOMER = "small-0", "small-1", "small-2", "small-newcomer"
ITEMS_OF_HALF = 25
SHOPPERS = 40
PINNED_POSITION = 20


def small_store(schema: str, host: str) -> Store:
    """The shop under another schema and host, so that tests do not meet."""
    return Store(
        schema=schema,
        name="Small Larkfield",
        host=host,
        theme=SHOP.theme,
        tagline=SHOP.tagline,
        welcome=SHOP.welcome,
        words=SHOP.words,
    )


def small_data(now: datetime) -> StoreData:
    """50 items, 40 shoppers and a newcomer, over 1,000 events. The same on every call."""
    halves = [_items_of(CAMPING), _items_of(KITCHEN)]
    shoppers = [_shopper(number) for number in range(SHOPPERS)]
    newcomer = DemoShopper(
        external_id=NEWCOMER,
        name="Nell Newcomer",
        email="nell@example.com",
        summary="Has not been here yet.",
        taste=_taste(KITCHEN, visits=0),
        granted=EVERYTHING,
    )
    return StoreData(
        items=[*halves[0], *halves[1]],
        shoppers=[*shoppers, newcomer],
        events=_events(halves, now),
        featured=(CAMPER, COOK, REFUSER),
        reviews=reviews([*halves[0], *halves[1]], SEED),
        rules=(
            DemoRule(
                MerchandisingRule.Kind.PIN,
                "On the front page",
                item=halves[1][PINNED_POSITION].external_id,
                placement="home",
            ),
            DemoRule(MerchandisingRule.Kind.BOOST, "Kitchen weeks", category=KITCHEN, amount=0.001),
        ),
    )


def _items_of(department: str) -> list[DemoItem]:
    """Items of a department, all in stock, one color each."""
    of_group: dict[str, DemoItem] = {}
    for item in shop_items():
        if item.category_path[0] == department and (item.stock or 0) > 10:
            of_group.setdefault(item.group_id or item.external_id, item)
    return list(of_group.values())[:ITEMS_OF_HALF]


def _shopper(number: int) -> DemoShopper:
    camper = number % 2 == 0
    return DemoShopper(
        external_id=f"small-{number}",
        name=f"{'Cora' if camper else 'Kit'} Number{number}",
        email=f"small-{number}@example.com",
        summary="Sleeps under canvas." if camper else "Cooks every evening.",
        taste=_taste(CAMPING if camper else KITCHEN, visits=1),
        granted=frozenset({"analytics"}) if number == 2 else EVERYTHING,
    )


def _taste(department: str, *, visits: float) -> Taste:
    return Taste(
        interests={(department,): 1.0},
        brands=frozenset(),
        colors=frozenset(),
        price_band="middle",
        visits=visits,
    )


def _events(halves: list[list[DemoItem]], now: datetime) -> list[DemoEvent]:
    """Each shopper visits six times, looks at three items of the half and buys a pair of them."""
    rng = np.random.default_rng(7)
    events = []
    for number in range(SHOPPERS):
        half = halves[number % 2]
        for visit in range(6):
            at = now - timedelta(days=70 - 10 * visit, minutes=int(rng.integers(1, 600)))
            first = int(rng.integers(0, len(half) - 2))
            for step, (kind, position) in enumerate(
                [
                    ("view", first),
                    ("view", first + 1),
                    ("view", first + 2),
                    ("purchase", first),
                    ("purchase", first + 1),
                ]
            ):
                item = half[position]
                events.append(
                    DemoEvent(
                        kind="purchase" if kind == "purchase" else "view",
                        occurred_at=at + timedelta(minutes=step),
                        shopper=f"small-{number}",
                        session=f"small-{number}-{visit}",
                        item=item.external_id,
                        quantity=1 if kind == "purchase" else None,
                        value=item.price_now if kind == "purchase" else None,
                    )
                )
    return events
