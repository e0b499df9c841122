"""What shoppers of the demo shop do in 120 days: look around, buy what goes together, come back."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from demo.attraction import FloatArray, IndexArray, attraction, drawn
from demo.chance import chance, pick
from demo.companions import companions
from demo.diary import Diary, Errand, Visit, without_surplus
from demo.product_types import ProductType, product_types
from demo.reviews import review_text, some_rating
from demo.timetable import LAST_WEEK
from demo.values import DemoEvent, DemoItem, DemoShopper

SHOP_EVENTS = 60_000
EVENTS_PER_VISIT = 4.1
"""A little less than a visit and what follows from it bring, so that views can be left out."""

IN_SEASON, OUT_OF_SEASON = 1.6, 0.65
TRENDS = 14
TREND_OF_ITEM, TREND_OF_SHELF = 15.0, 4.0
"""How much more a trending item and its shelf draw in the last week."""

SEARCHES, WISHES, BUYS = 0.4, 0.07, 0.66
ADDS, ADDS_COMPANION, ADDS_WISH = 0.36, 0.47, 0.6
LOOKS_ON, LOOKS_AT_MOST = 0.52, 5
COMPLETES, COMPLETES_WHEN_ONLY_LOOKING = 0.66, 0.3
KEEPS_TO_COMPANIONS = 0.8
SENT_BACK_CLOTHES, SENT_BACK = 0.1, 0.02
CLOTHES = frozenset({"Women", "Men", "Children", "Shoes"})


def shop_events(
    items: Sequence[DemoItem],
    shoppers: Sequence[DemoShopper],
    now: datetime,
    seed: int,
    count: int = SHOP_EVENTS,
) -> tuple[DemoEvent, ...]:
    """`count` events of the 120 days before the day of `now` (UTC), earliest first.

    The same for the same seed, items, shoppers and day. Raises ValueError for a `now` without
    a time zone.
    """
    diary = Diary(shoppers, now=now, rng=chance("shop visits", seed))
    shopping = Shopping(items, shoppers, diary, chance("shopping", seed))
    diary.plan_visits(int(count / EVENTS_PER_VISIT))
    return without_surplus(diary.live(shopping.carry_out), count, chance("surplus", seed))


class Shopping:
    """The shop, its shoppers, and what each of them has and wants so far."""

    def __init__(
        self,
        items: Sequence[DemoItem],
        shoppers: Sequence[DemoShopper],
        diary: Diary,
        rng: np.random.Generator,
    ) -> None:
        self._items = items
        self._shoppers = shoppers
        self._diary = diary
        self._rng = rng
        self._types = product_types()
        number = {kind.path: index for index, kind in enumerate(self._types)}
        self._type_of = [number[item.category_path] for item in items]
        self._on_shelf = [
            np.flatnonzero(np.array(self._type_of) == index) for index in range(len(self._types))
        ]
        self._lasts = {
            (kind.path, model.title): model.lasts_days
            for kind in self._types
            for model in kind.models
        }
        self._interest = np.array(
            [[s.taste.interests.get(kind.path, 0.0) for kind in self._types] for s in shoppers]
        )
        self._interest[:, [not len(shelf) for shelf in self._on_shelf]] = 0
        self._attraction = attraction(items, shoppers, chance("popularity", len(items)))
        self._companions = companions(items)
        self._season = [_season(self._types, month) for month in range(13)]
        self._trending = rng.choice(len(items), size=min(TRENDS, len(items)), replace=False)
        self._owned: list[set[int]] = [set() for _ in shoppers]
        self._wishes: list[list[int]] = [[] for _ in shoppers]

    def carry_out(self, visit: Visit, shopper: int, errand: Errand) -> None:
        """Let the shopper do what they came for."""
        match errand.aim:
            case "look around":
                self._look_around(visit, shopper)
            case "restock":
                self._restock(visit, shopper, errand.item)
            case "rate":
                self._rate(visit, errand.item)
            case "send back":
                visit.note("return", self._items[errand.item], quantity=errand.quantity)

    def _look_around(self, visit: Visit, shopper: int) -> None:
        wishes = self._wishes[shopper]
        if wishes and self._rng.random() < 0.2:
            favorite = wishes.pop(0)
            visit.note("view", self._items[favorite])
            adds = ADDS_WISH
        else:
            favorite = self._browse(visit, shopper)
            adds = ADDS
        cart: list[int] = []
        if favorite not in self._owned[shopper] and self._rng.random() < adds:
            self._add(visit, favorite, cart)
        elif self._rng.random() < WISHES:
            visit.note("wishlist", self._items[favorite])
            wishes.append(favorite)
        self._complete(visit, shopper, favorite, cart)
        self._check_out(visit, shopper, cart)

    def _browse(self, visit: Visit, shopper: int) -> int:
        """Search or not, look at a few items of one shelf; the favorite of them."""
        late = self._diary.end - visit.began < LAST_WEEK
        shelves = self._interest[shopper] * self._season[visit.began.month]
        weights = self._attraction[shopper]
        if late:
            shelves = shelves.copy()
            shelves[[self._type_of[item] for item in self._trending]] *= TREND_OF_SHELF
            weights = weights.copy()
            weights[self._trending] *= TREND_OF_ITEM
        shelf = drawn(shelves, self._rng)
        members = self._on_shelf[shelf]
        first = int(members[drawn(weights[members], self._rng)])
        if self._rng.random() < SEARCHES:
            visit.note("search", query=self._query(shopper, self._types[shelf], first))
        visit.note("view", self._items[first])
        seen = [first]
        while len(seen) < min(LOOKS_AT_MOST, len(members)) and self._rng.random() < LOOKS_ON:
            other = self._alternative(seen, members, weights)
            visit.note("view", self._items[other])
            seen.append(other)
        favorite = seen[drawn(weights[seen], self._rng)]
        for item in seen:
            if item != favorite and self._rng.random() < 0.025:
                visit.note("dismiss", self._items[item])
        return favorite

    def _alternative(self, seen: list[int], members: IndexArray, weights: FloatArray) -> int:
        """Another item of the shelf, most likely the same in another color."""
        group = self._items[seen[0]].group_id
        others = [int(item) for item in members if int(item) not in seen]
        same = [3.0 if group and self._items[item].group_id == group else 1.0 for item in others]
        return others[drawn(weights[others] * same, self._rng)]

    def _query(self, shopper: int, kind: ProductType, item: int) -> str:
        query = pick(kind.queries, self._rng)
        color = str(self._items[item].attributes.get("color", ""))
        if color in self._shoppers[shopper].taste.colors and self._rng.random() < 0.5:
            return f"{color} {query}"
        if self._rng.random() < 0.12:
            return f"{self._items[item].brand} {query}".lower()
        return query

    def _complete(self, visit: Visit, shopper: int, item: int, cart: list[int]) -> None:
        """Look at what goes with an item, and at what goes with that, up to three steps away."""
        for _ in range(3):
            likely = COMPLETES if item in cart else COMPLETES_WHEN_ONLY_LOOKING
            others = [each for each in self._companions[item] if each not in cart]
            if not others or self._rng.random() > likely:
                return
            item = self._companion(shopper, others)
            visit.note("view", self._items[item])
            wanted = item not in self._owned[shopper] and item not in cart
            if wanted and self._rng.random() < ADDS_COMPANION:
                self._add(visit, item, cart)

    def _companion(self, shopper: int, others: list[int]) -> int:
        """One of the companions, or sometimes the shopper's favorite of a companion's shelf."""
        # Tastes count less here than what fits: the square root flattens them.
        chosen = others[drawn(np.sqrt(self._attraction[shopper][others]), self._rng)]
        if self._rng.random() < KEEPS_TO_COMPANIONS:
            return chosen
        members = self._on_shelf[self._type_of[chosen]]
        return int(members[drawn(self._attraction[shopper][members], self._rng)])

    def _add(self, visit: Visit, item: int, cart: list[int]) -> None:
        visit.note("add_to_cart", self._items[item], quantity=1)
        cart.append(item)

    def _check_out(self, visit: Visit, shopper: int, cart: list[int]) -> None:
        kept = []
        for item in cart:
            if self._rng.random() < 0.08:
                visit.note("remove_from_cart", self._items[item], quantity=1)
            else:
                kept.append(item)
        if self._rng.random() < BUYS:
            for item in kept:
                self._buy(visit, shopper, item)

    def _buy(self, visit: Visit, shopper: int, item: int) -> None:
        lasts_days = self._lasts_days(item)
        quantity = 1
        if lasts_days:
            quantity = 1 + int(self._rng.random() < 0.35) + int(self._rng.random() < 0.15)
            if self._rng.random() < 0.6:
                days = lasts_days * quantity**0.5 * self._rng.uniform(0.75, 1.25)
                self._diary.plan(shopper, Errand("restock", item), after=visit.began, days=days)
        else:
            self._owned[shopper].add(item)
        visit.note("purchase", self._items[item], quantity=quantity)
        clothes = self._items[item].category_path[0] in CLOTHES
        if self._rng.random() < (SENT_BACK_CLOTHES if clothes else SENT_BACK):
            errand = Errand("send back", item, quantity)
            days = self._rng.uniform(3, 14)
            self._diary.plan(shopper, errand, after=visit.began, days=days)
        elif self._rng.random() < 0.16:
            days = self._rng.uniform(4, 25)
            self._diary.plan(shopper, Errand("rate", item), after=visit.began, days=days)

    def _restock(self, visit: Visit, shopper: int, item: int) -> None:
        cart: list[int] = []
        if self._rng.random() < 0.5:
            visit.note("view", self._items[item])
        self._add(visit, item, cart)
        self._complete(visit, shopper, item, cart)
        for each in cart:
            self._buy(visit, shopper, each)

    def _rate(self, visit: Visit, item: int) -> None:
        rating = some_rating(self._rng)
        if self._rng.random() < 0.6:
            visit.note("rating", self._items[item], rating=rating)
        else:
            text = review_text(self._items[item].external_id, rating, self._rng)
            visit.note("review", self._items[item], rating=rating, text=text)

    def _lasts_days(self, item: int) -> int | None:
        title, path = self._items[item].title, self._items[item].category_path
        return self._lasts.get((path, title)) or self._lasts.get((path, title.rpartition(", ")[0]))


def _season(types: Sequence[ProductType], month: int) -> FloatArray:
    """Weight per product type in a month."""
    return np.array(
        [
            1.0 if not kind.season else IN_SEASON if month in kind.season else OUT_OF_SEASON
            for kind in types
        ]
    )
