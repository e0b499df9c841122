"""Who shops in the demo: people with names, tastes and consents, the same for the same seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo.chance import chance, pick
from demo.course_catalog import academy_items
from demo.course_tracks import tracks
from demo.personas import Persona, Public, names, public_of
from demo.product_types import product_types
from demo.shop_catalog import shop_items, slug
from demo.values import DemoItem, DemoShopper, PriceBand, Purpose, Taste

FloatArray = NDArray[np.float64]

SHOP_SHOPPERS = 2_000
ACADEMY_SHOPPERS = 500
SHARE_WITHOUT_VISITS = 0.04
SHARE_OF_EVERYDAY_INTEREST = 0.25
WORN_BY_ANYONE = frozenset({"socks", "scarves"})
OTHER_WARDROBE = 0.05
"""How much of the interest in women's clothes is left in somebody who wears men's."""

ALL_PURPOSES: frozenset[Purpose] = frozenset(
    {"personalization", "analytics", "marketing", "language_model", "research"}
)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category path of a tenant with what is on it."""

    key: str
    path: tuple[str, ...]
    brands: tuple[str, ...]
    colors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Market:
    """The shelves of a tenant and how the personas of its public are drawn to them."""

    shelves: tuple[Shelf, ...]
    personas: tuple[Persona, ...]
    shares: FloatArray
    """How many of each persona there are; adds up to 1."""
    everyday: FloatArray
    """What anyone looks at: weight per shelf; adds up to 1."""
    likes: FloatArray
    """One row per persona, one column per shelf; each row adds up to 1."""
    for_women: FloatArray
    """Per shelf, how much interest is left in somebody who wears women's clothes."""
    for_men: FloatArray


def shop_shoppers(seed: int) -> tuple[DemoShopper, ...]:
    """2,000 shoppers of the demo shop; about 80 of them have never come."""
    shelves = _shelves(((kind.key, kind.path) for kind in product_types()), shop_items())
    market = _market(public_of("shop"), shelves)
    return _shoppers(market, SHOP_SHOPPERS, "shop", seed)


def academy_shoppers(seed: int) -> tuple[DemoShopper, ...]:
    """500 learners of the demo academy; about 20 of them have never come."""
    shelves = _shelves(((track.shelf, track.path) for track in tracks()), academy_items())
    market = _market(public_of("academy"), shelves)
    return _shoppers(market, ACADEMY_SHOPPERS, "academy", seed)


def _shelves(
    keys: Iterable[tuple[str, tuple[str, ...]]], items: Sequence[DemoItem]
) -> tuple[Shelf, ...]:
    by_path: dict[tuple[str, ...], list[DemoItem]] = {}
    for item in items:
        by_path.setdefault(item.category_path, []).append(item)
    return tuple(
        Shelf(
            key=key,
            path=path,
            brands=tuple(sorted({item.brand for item in by_path[path]})),
            colors=tuple(
                sorted(
                    {str(i.attributes["color"]) for i in by_path[path] if "color" in i.attributes}
                )
            ),
        )
        for key, path in keys
    )


def _market(public: Public, shelves: tuple[Shelf, ...]) -> Market:
    shares = np.array([persona.share for persona in public.personas])
    everyday = np.array([public.everyday[shelf.path[0]] for shelf in shelves])
    likes = np.array(
        [[persona.types.get(shelf.key, 0.0) for shelf in shelves] for persona in public.personas]
    )
    return Market(
        shelves=shelves,
        personas=public.personas,
        shares=shares / shares.sum(),
        everyday=everyday / everyday.sum(),
        likes=likes / likes.sum(axis=1, keepdims=True),
        for_women=_interest_left(shelves, other="Men"),
        for_men=_interest_left(shelves, other="Women"),
    )


def _interest_left(shelves: tuple[Shelf, ...], *, other: str) -> FloatArray:
    return np.array(
        [
            OTHER_WARDROBE if shelf.path[0] == other and shelf.key not in WORN_BY_ANYONE else 1.0
            for shelf in shelves
        ]
    )


def _shoppers(market: Market, count: int, tenant: str, seed: int) -> tuple[DemoShopper, ...]:
    taken: set[str] = set()
    return tuple(
        _shopper(f"s-{number}", market, taken, chance("shopper", tenant, seed, number))
        for number in range(1, count + 1)
    )


def _shopper(
    external_id: str, market: Market, taken: set[str], rng: np.random.Generator
) -> DemoShopper:
    wears_womens = bool(rng.random() < 0.54)
    name = _name(wears_womens=wears_womens, taken=taken, rng=rng)
    personas = _personas(market, rng)
    interests = _interests(market, personas, wears_womens=wears_womens)
    taste = _taste(market, interests, rng)
    return DemoShopper(
        external_id=external_id,
        name=name,
        email=f"{slug(name).replace('-', '.')}@example.org",
        summary=_summary([market.personas[index] for index in personas], taste, rng),
        taste=taste,
        granted=_granted(rng),
    )


def _name(*, wears_womens: bool, taken: set[str], rng: np.random.Generator) -> str:
    """A name nobody has yet."""
    first = names().women if wears_womens else names().men
    while True:
        name = f"{pick(first, rng)} {pick(names().family, rng)}"
        if name not in taken:
            taken.add(name)
            return name


def _personas(market: Market, rng: np.random.Generator) -> list[int]:
    """One to three personas; the first weighs most."""
    number = 1 + int(rng.random() < 0.6) + int(rng.random() < 0.2)
    chosen = rng.choice(len(market.shares), size=number, replace=False, p=market.shares)
    return [int(index) for index in chosen]


def _interests(market: Market, personas: list[int], *, wears_womens: bool) -> FloatArray:
    """Weights over the shelves that add up to 1."""
    importance = np.array((1.0, 0.55, 0.3)[: len(personas)])
    importance *= (1 - SHARE_OF_EVERYDAY_INTEREST) / importance.sum()
    weights = SHARE_OF_EVERYDAY_INTEREST * market.everyday + importance @ market.likes[personas]
    weights *= market.for_women if wears_womens else market.for_men
    return np.asarray(weights / weights.sum())


def _taste(market: Market, interests: FloatArray, rng: np.random.Generator) -> Taste:
    """Brands and colors come from the shelves a person looks at, so that they can be had."""
    shelves = market.shelves
    looked_at = [shelves[i] for i in rng.choice(len(shelves), size=8, replace=False, p=interests)]
    liked_colors = [pick(shelf.colors, rng) for shelf in looked_at if shelf.colors]
    draw = rng.random()
    price_band: PriceBand = "low" if draw < 0.3 else "middle" if draw < 0.75 else "high"
    return Taste(
        interests=dict(zip((shelf.path for shelf in shelves), interests.tolist(), strict=True)),
        brands=frozenset(pick(shelf.brands, rng) for shelf in looked_at[:3]),
        colors=frozenset(liked_colors[:2]),
        price_band=price_band,
        visits=0.0 if rng.random() < SHARE_WITHOUT_VISITS else float(rng.lognormal(0, 0.9)),
    )


def _summary(personas: list[Persona], taste: Taste, rng: np.random.Generator) -> str:
    """A sentence such as "Hikes most weekends, likes moss green and waits for the sale."."""
    clauses = [pick(persona.does, rng) for persona in personas[:2]]
    if taste.colors and rng.random() < 0.5:
        clauses.append(f"likes {min(taste.colors)}")
    elif rng.random() < 0.4:
        clauses.append(f"trusts {min(taste.brands)}")
    if taste.price_band == "low":
        clauses.append(pick(("waits for the sale", "looks at the price first"), rng))
    elif taste.price_band == "high":
        clauses.append(pick(("pays for what lasts", "would rather buy once"), rng))
    sentence = " and ".join([", ".join(clauses[:-1]), clauses[-1]] if clauses[1:] else clauses)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _granted(rng: np.random.Generator) -> frozenset[Purpose]:
    """Nine of ten allow personalization, most of them more; some only analytics, some nothing."""
    draw = rng.random()
    if draw < 0.55:
        return ALL_PURPOSES
    if draw < 0.78:
        return frozenset({"personalization", "analytics", "research"})
    if draw < 0.90:
        return frozenset({"personalization"})
    if draw < 0.96:
        return frozenset({"analytics"})
    return frozenset()
