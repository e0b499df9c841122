"""How long judging a catalog takes, all of it and what changed: `make bench-catalog-quality`.

Items are generated: sixty words of text, three pictures, five attributes, a brand of 400 and a
category of 200; every tenth shares its title with another. Baseline: one UPDATE of a narrow row for
each item, in the same run.

    python bench/catalog_quality.py [--items 100000]
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.environment import report, start, step

SCHEMA = "bench_quality"
FILL = """
    INSERT INTO catalog_item (external_id, kind, title, description, brand, category_path,
        attributes, images, address, language, group_id, available, created_at, updated_at)
    SELECT 'SKU-' || n, 'product', 'Harrow ' || md5((n - n %% 10 / 9)::text) || ' rain jacket',
        repeat('This jacket keeps the rain out and lets the skin breathe on long walks. ', 5),
        'Brand ' || n %% 400, ARRAY['Department ' || n %% 20, 'Shelf ' || n %% 200],
        jsonb_build_object('color', 'Color ' || n %% 30, 'size', n %% 12, 'material', 'Wool',
            'gtin', lpad(n::text, 13, '4'), 'season', 'Season ' || n %% 4),
        ARRAY['/1.jpg', '/2.jpg', '/3.jpg'], '', 'en', '', true,
        now() - interval '1 day', now() - interval '1 day'
    FROM generate_series(1, %(items)s) n
"""
OFFERS = """
    INSERT INTO catalog_offer (item_id, price, currency, stock, refreshed_at)
    SELECT id, 10 + id % 90, 'EUR', id % 50, now() FROM catalog_item
"""
BASELINE = "UPDATE catalog_itemquality SET checked_at = checked_at + interval '1 microsecond'"
CHANGE = """
    UPDATE catalog_item SET brand = '', updated_at = now() WHERE id IN (
        SELECT id FROM catalog_item ORDER BY id LIMIT %(changed)s
    )
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    items = parser.parse_args().items
    start()
    from django_tenants.utils import schema_context

    from catalog.quality.refresh import check_catalog, check_changed
    from catalog.quality.vocabulary import check_vocabulary
    from tenants.closing import close_tenant
    from tenants.connection import connection
    from tenants.models import Tenant
    from tenants.opening import open_tenant

    def run(statement: str, **values: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)

    for left in Tenant.objects.filter(schema_name=SCHEMA):
        close_tenant(left)
    tenant = open_tenant(schema_name=SCHEMA, name="Quality", host=f"{SCHEMA}.localhost")
    try:
        with schema_context(SCHEMA):
            with step(f"Making {items:,} items"):
                run(FILL, items=items)
                run(OFFERS)
                run("ANALYZE catalog_item")
            first = _seconds("Judging all for the first time", check_catalog)
            again = _seconds("Judging all again", check_catalog)
            baseline = _seconds("Touching a narrow row of each", lambda: run(BASELINE))
            run(CHANGE, changed=items // 100)
            changed = _seconds("Judging one in a hundred that changed", check_changed)
            # What changed within a minute is judged once more, so let that minute be over.
            run("UPDATE catalog_itemquality SET checked_at = checked_at + interval '2 minutes'")
            idle = _seconds("Finding that nothing changed", check_changed)
            words = _seconds("Checking the vocabulary", check_vocabulary)
    finally:
        close_tenant(tenant)
    report(
        bench="catalog_quality",
        items=items,
        first_seconds=first,
        again_seconds=again,
        again_to_update=round(again / baseline, 1),
        changed_items=items // 100,
        changed_seconds=changed,
        idle_seconds=idle,
        vocabulary_seconds=words,
        baseline="one UPDATE of a narrow row for each item",
        baseline_seconds=baseline,
    )


def _seconds(what: str, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    with step(what):
        work()
    return round(time.perf_counter() - started, 2)


if __name__ == "__main__":
    main()
