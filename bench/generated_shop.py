"""A generated shop of any size: power-law sales within tastes, clustered vectors, a real ranker."""

import sys
from datetime import UTC, datetime, timedelta

import numpy as np

from bench.environment import step

SEED = 11
CATEGORIES = 60
EVENTS_PER_SHOPPER = 40


def make(schema: str, host: str, *, items: int, shoppers: int) -> None:
    """Make the tenant unless it is there already, and leave its schema set.

    Rows are copied in; neighbors, facts and states come from the product's own training.
    """
    from django.utils import timezone

    from profiles.models import Shopper
    from profiles.state import rebuild_states
    from recommendations.models import RankerVersion
    from recommendations.placements import ensure_default_placements
    from recommendations.training_run import train
    from tenants.closing import close_tenant
    from tenants.connection import connection
    from tenants.models import Tenant
    from tenants.opening import open_tenant

    connection.set_schema_to_public()
    tenant = Tenant.objects.filter(schema_name=schema).first()
    if tenant is not None:
        connection.set_schema(schema)
        if RankerVersion.objects.live().exists():
            return
        connection.set_schema_to_public()
        close_tenant(tenant)
    open_tenant(schema_name=schema, name="Generated", host=host)
    connection.set_schema(schema)
    with step(f"Generating {items} items and {shoppers * EVENTS_PER_SHOPPER} events"):
        _copy_catalog(items)
        _copy_events(items, shoppers)
    ensure_default_placements()
    with step("Training"):
        version = train(timezone.now())
    print(f"  {version.note} {version.metrics['version']}", file=sys.stderr)
    with step("Computing the shoppers' states"):
        rebuild_states(list(Shopper.objects.values_list("pk", flat=True)))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _copy_catalog(items: int) -> None:
    from catalog.models import EMBEDDING_DIMENSIONS
    from tenants.connection import connection

    rng = np.random.default_rng(SEED)
    categories = rng.integers(0, CATEGORIES, items)
    centers = rng.normal(size=(CATEGORIES, EMBEDDING_DIMENSIONS))
    now = datetime.now(UTC)
    with connection.cursor() as cursor:
        with cursor.copy(
            "COPY catalog_item (id, external_id, kind, title, description, brand, category_path,"
            " attributes, images, address, language, group_id, available, created_at, updated_at)"
            " FROM STDIN"
        ) as copy:
            for number in range(1, items + 1):
                category = int(categories[number - 1])
                copy.write_row(
                    (
                        number, f"G-{number}", "product", f"Generated item {number}",
                        "A generated item with a description of an ordinary length. " * 6,
                        f"Brand {number % 97}", ["Generated", f"Category {category}"],
                        '{"color": "blue"}', [f"/pictures/{number}.svg"], f"/items/{number}", "en",
                        "", True, now, now,
                    )
                )  # fmt: skip
        with cursor.copy(
            "COPY catalog_offer (item_id, price, currency, stock, refreshed_at) FROM STDIN"
        ) as copy:
            for number in range(1, items + 1):
                # One in fifty is sold out, so that eligibility has something to do.
                copy.write_row((number, 10 + number % 90, "EUR", number % 50, now))
        with cursor.copy(
            "COPY catalog_itemembedding (item_id, model_version, content_hash, vector, updated_at)"
            " FROM STDIN"
        ) as copy:
            for start in range(0, items, 5_000):
                part = categories[start : start + 5_000]
                vectors = centers[part] + rng.normal(size=(len(part), EMBEDDING_DIMENSIONS))
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
                for offset, vector in enumerate(vectors.tolist(), start=start + 1):
                    text = "[" + ",".join(f"{value:.4f}" for value in vector) + "]"
                    copy.write_row((offset, "generated", "-", text, now))


def _copy_events(items: int, shoppers: int) -> None:
    from profiles.consent import record_consents
    from profiles.identity import ShopperRef, ensure_shoppers, resolve
    from profiles.models import Purpose, Shopper
    from profiles.partitions import ensure_partitions
    from tenants.connection import connection

    rng = np.random.default_rng(SEED + 1)
    refs = [ShopperRef(known=f"g-{number}") for number in range(shoppers)]
    ensure_shoppers(refs)
    ids = resolve(refs)
    record_consents(Shopper.objects.all(), {Purpose.PERSONALIZATION: True}, source="generated")
    now = datetime.now(UTC)
    moments = [now - timedelta(days=day) for day in range(91)]
    ensure_partitions(moments)
    # Within a shopper's region of the catalog, items sell by a power law.
    ranks = np.minimum((rng.pareto(1.1, size=(shoppers, EVENTS_PER_SHOPPER)) * 20), items // 4)
    regions = rng.integers(0, 12, shoppers) * (items // 12)
    chosen = (regions[:, None] + ranks.astype(np.int64)) % items + 1
    kinds = rng.choice(["view", "view", "view", "add_to_cart", "purchase"], size=chosen.shape)
    days = np.sort(rng.uniform(0, 90, size=chosen.shape), axis=1)
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY profiles_event (shopper_id, kind, item_id, occurred_at, received_at, quantity,"
            " currency, query, text, context) FROM STDIN"
        ) as copy,
    ):
        for row, ref in enumerate(refs):
            for item, kind, day in zip(chosen[row], kinds[row], days[row], strict=True):
                at = now - timedelta(days=float(day))
                copy.write_row((ids[ref], str(kind), int(item), at, now, 1, "", "", "", "{}"))
