"""A generated shop of any size: power-law words and sales, clustered vectors, a real ranker."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.environment import step
from bench.generated_vectors import are_made, copy_vectors
from bench.generated_words import TYPES, item_words, power_law, types_of

SEED = 11
SIZES = {20_000: 3_000, 100_000: 10_000, 1_000_000: 30_000}
"""Shoppers of the sizes that serving and search are measured at."""

EVENTS_PER_SHOPPER = 40
TASTES = 3
NEIGHBORS = 60
BLOCK = 20_000


def name_of(items: int) -> str:
    """`20k`, `100k`, `1m`: how a size is written in names of schemas and in reports."""
    for unit, letter in ((1_000_000, "m"), (1_000, "k")):
        if items % unit == 0:
            return f"{items // unit}{letter}"
    return str(items)


def schema_of(items: int) -> str:
    return f"generated_{name_of(items)}"


def host_of(items: int) -> str:
    return f"generated-{name_of(items)}.localhost"


def make(items: int, *, shoppers: int | None = None) -> None:
    """Make the shop of this size unless it is there already, and leave its schema set.

    Rows are copied in; states and the ranker come from the product's own code. Items that nobody
    took get generated neighbors, so that the largest catalog has a neighbor list for every item.
    """
    from profiles.models import Shopper
    from profiles.state import rebuild_states
    from recommendations.models import ItemNeighbors, RankerVersion
    from recommendations.placements import ensure_default_placements
    from tenants.closing import close_tenant
    from tenants.connection import connection
    from tenants.models import Tenant
    from tenants.opening import open_tenant

    shoppers = shoppers or SIZES.get(items) or max(items // 10, 120)
    schema = schema_of(items)
    connection.set_schema_to_public()
    tenant = Tenant.objects.filter(schema_name=schema).first()
    if tenant is not None:
        connection.set_schema(schema)
        if ItemNeighbors.objects.filter(item_id=items, ranker__status="live").exists():
            _keep_readable()
            if not are_made(items):
                with step(f"Generating the vectors of {items} items anew"):
                    copy_vectors(items, seed=SEED, now=datetime.now(UTC))
            return
        connection.set_schema_to_public()
        close_tenant(tenant)
    open_tenant(schema_name=schema, name=f"Generated {name_of(items)}", host=host_of(items))
    connection.set_schema(schema)
    now = datetime.now(UTC)
    types = types_of(items, SEED)
    with step(f"Generating {items} items"):
        _copy_catalog(items, now)
    with step("Generating their vectors"):
        copy_vectors(items, seed=SEED, now=now)
    with step(f"Generating {shoppers * EVENTS_PER_SHOPPER} events"):
        _copy_events(types, shoppers, now)
    with step("Computing the shoppers' states"):
        rebuild_states(list(Shopper.objects.values_list("pk", flat=True)))
    ensure_default_placements()
    with step("Training"):
        train_again()
    live = RankerVersion.objects.live().get()
    print(f"  {live.note} {live.metrics['version']}", file=sys.stderr)
    with step("Generating the neighbors of items nobody took"):
        _copy_neighbors(types, live.pk)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _keep_readable() -> None:
    """A ranker of another release scores by this one's defaults, without saying so every time."""
    from recommendations.models import RankerVersion
    from recommendations.training.recipe import Recipe
    from tenants.settled import unsettle

    live = RankerVersion.objects.live().get()
    try:
        Recipe.from_json(live.params)
    except (KeyError, TypeError, ValueError):
        live.params = Recipe().as_json()
        live.save()
        unsettle()


def train_again() -> None:
    """One training run of the product, as the schedule does it every night."""
    from django.utils import timezone

    from recommendations.training_run import train

    train(timezone.now())


def _copy_catalog(items: int, now: datetime) -> None:
    from bench.copying import copy_rows, indexes_afterwards
    from catalog.models import Item, Offer

    rng = np.random.default_rng([SEED, 4])
    prices = np.round(np.exp(rng.normal(3.6, 0.9, items)) + 1, 2).tolist()
    reduced = (rng.random(items) < 0.15).tolist()
    # One in fifty is sold out, so that eligibility has something to do.
    stock = np.where(rng.random(items) < 0.02, 0, rng.integers(1, 500, items)).tolist()
    with indexes_afterwards("catalog_item"):
        columns = (
            "id", "external_id", "kind", "title", "description", "brand", "category_path",
            "attributes", "images", "address", "language", "group_id", "available", "created_at",
            "updated_at",
        )  # fmt: skip
        copy_rows(
            Item,
            columns,
            (
                (
                    number, f"G-{number}", "product", words.title, words.description, words.brand,
                    list(words.category_path), words.attributes, [f"/pictures/{number}.svg"],
                    f"/items/{number}", "en", "", True, now, now,
                )
                for number, words in enumerate(item_words(items, seed=SEED), start=1)
            ),
        )  # fmt: skip
    copy_rows(
        Offer,
        ("item_id", "price", "sale_price", "currency", "stock", "refreshed_at"),
        (
            (
                number,
                prices[number - 1],
                round(prices[number - 1] * 0.8, 2) if reduced[number - 1] else None,
                "EUR",
                stock[number - 1],
                now,
            )
            for number in range(1, items + 1)
        ),
    )


def _copy_events(types: npt.NDArray[np.int64], shoppers: int, now: datetime) -> None:
    from bench.copying import copy_rows
    from profiles.consent import record_consents
    from profiles.identity import ShopperRef, ensure_shoppers, resolve
    from profiles.models import Event, Purpose, Shopper
    from profiles.partitions import ensure_partitions

    rng = np.random.default_rng([SEED, 6])
    refs = [ShopperRef(known=f"g-{number}") for number in range(shoppers)]
    ensure_shoppers(refs)
    ids = resolve(refs)
    record_consents(
        Shopper.objects.all(),
        {Purpose.PERSONALIZATION: True, Purpose.RESEARCH: True},
        source="generated",
    )
    ensure_partitions([now - timedelta(days=day) for day in range(91)])
    # Each shopper has a few tastes; within one, items sell by a power law.
    tastes = rng.choice(types, size=(shoppers, TASTES))
    shape = (shoppers, EVENTS_PER_SHOPPER)
    wanted = np.take_along_axis(tastes, rng.integers(0, TASTES, shape), axis=1)
    chosen = _by_type(types, wanted, rng)
    kinds = rng.choice(["view", "view", "view", "add_to_cart", "purchase"], size=shape)
    days = np.sort(rng.uniform(0, 90, size=shape), axis=1)
    copy_rows(
        Event,
        ("shopper_id", "kind", "item_id", "occurred_at", "received_at", "context"),
        (
            (ids[ref], str(kind), int(item), now - timedelta(days=float(day)), now, "{}")
            for row, ref in enumerate(refs)
            for item, kind, day in zip(chosen[row], kinds[row], days[row], strict=True)
        ),
    )


def _by_type(
    types: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """An item of each wanted type, drawn by a power law: ids, in the shape of `wanted`."""
    items = np.argsort(types, kind="stable")
    counts = np.bincount(types, minlength=len(TYPES))
    starts = np.cumsum(counts) - counts
    ranks = power_law(wanted.shape, int(counts.max()), rng) % counts[wanted]
    return np.asarray(items[starts[wanted] + ranks] + 1)


def _copy_neighbors(types: npt.NDArray[np.int64], ranker: int) -> None:
    from bench.copying import copy_binary, fixed_width, rows_of
    from recommendations.models import ItemNeighbors
    from recommendations.packed import INTEGER, REAL

    rng = np.random.default_rng([SEED, 7])
    learned = ItemNeighbors.objects.filter(ranker=ranker).values_list("item_id", flat=True)
    missing = np.setdiff1d(np.arange(1, len(types) + 1), np.fromiter(learned, np.int64))
    layout = fixed_width(
        ranker=">i8", item=">i8",
        ids=np.dtype((INTEGER, NEIGHBORS)), weights=np.dtype((REAL, NEIGHBORS)), repeat=REAL,
    )  # fmt: skip
    weights = np.sort(rng.uniform(0.02, 0.4, NEIGHBORS))[::-1]

    def blocks() -> Iterator[npt.NDArray[Any]]:
        for start in range(0, len(missing), BLOCK):
            part = missing[start : start + BLOCK]
            rows = rows_of(layout, len(part))
            rows["ranker"], rows["item"], rows["repeat"] = ranker, part, 1.0
            alike = np.repeat(types[part - 1][:, None], NEIGHBORS, axis=1)
            rows["ids"] = _by_type(types, alike, rng)
            rows["weights"] = weights
            yield rows

    copy_binary(
        ItemNeighbors._meta.db_table,  # noqa: SLF001  # Django's public model API
        ("ranker_id", "item_id", "neighbor_ids", "weights", "repeat"),
        blocks(),
    )
