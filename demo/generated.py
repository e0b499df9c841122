"""What is made up for each demo store, and which of its shoppers the storefront introduces."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from demo.course_catalog import academy_items
from demo.learning import academy_events
from demo.loading import DemoRule, StoreData
from demo.reviews import reviews
from demo.shop_catalog import shop_items
from demo.shoppers import academy_shoppers, shop_shoppers
from demo.shopping import shop_events
from demo.stores import ACADEMY, SEED, SHOP
from demo.values import DemoEvent, DemoItem, DemoShopper
from recommendations.models import MerchandisingRule

INTRODUCED = 6
TELLING_HISTORY = range(40, 120)
"""So many events make a history that a person can follow."""

BOOST = 0.02


def shop_data(now: datetime) -> StoreData:
    items, shoppers = shop_items(), shop_shoppers(SEED)
    events = shop_events(items, shoppers, now, SEED)
    rules = (
        DemoRule(
            MerchandisingRule.Kind.PIN,
            "Offer of the week",
            item=offer_of_the_week(items, events),
            placement="home",
        ),
        DemoRule(
            MerchandisingRule.Kind.BOOST,
            "Winter in the garden",
            category="Garden",
            placement="home",
            amount=BOOST,
        ),
    )
    featured = introduced(shoppers, events)
    return StoreData(items, shoppers, events, featured, rules, reviews(items, SEED))


def academy_data(now: datetime) -> StoreData:
    items, shoppers = academy_items(), academy_shoppers(SEED)
    events = academy_events(items, shoppers, now, SEED)
    return StoreData(
        items, shoppers, events, introduced(shoppers, events), reviews=reviews(items, SEED)
    )


DATA: Mapping[str, Callable[[datetime], StoreData]] = {
    SHOP.schema: shop_data,
    ACADEMY.schema: academy_data,
}


def introduced(shoppers: Sequence[DemoShopper], events: Sequence[DemoEvent]) -> tuple[str, ...]:
    """Some shoppers with a telling history, each drawn to another department.

    Most grant personalization; the last one does not, to show what that changes.
    """
    deeds = Counter(event.shopper for event in events)
    purchases = Counter(event.shopper for event in events if event.kind == "purchase")
    telling = [
        shopper
        for shopper in shoppers
        if deeds[shopper.external_id] in TELLING_HISTORY and purchases[shopper.external_id] > 4
    ]
    granting = [shopper for shopper in telling if "personalization" in shopper.granted]
    refusing = [shopper for shopper in telling if "personalization" not in shopper.granted]
    different = list(_of_different_departments(granting))[:INTRODUCED]
    return tuple(shopper.external_id for shopper in (*different, *refusing[:1]))


def offer_of_the_week(items: Sequence[DemoItem], events: Sequence[DemoEvent]) -> str:
    """The best seller among what is on sale with plenty in stock."""
    purchases = Counter(event.item for event in events if event.kind == "purchase")
    reduced = [item for item in items if item.sale_price is not None and (item.stock or 0) > 30]
    return max(reduced, key=lambda item: purchases[item.external_id]).external_id


def _of_different_departments(shoppers: Sequence[DemoShopper]) -> Iterator[DemoShopper]:
    seen: set[str] = set()
    for shopper in shoppers:
        interests = shopper.taste.interests
        department = max(interests, key=lambda path: interests[path])[0]
        if department not in seen:
            seen.add(department)
            yield shopper
