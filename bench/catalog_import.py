"""How many items a second a catalog is imported at, and in how much memory: `make bench-import`.

A generated CSV feed through the product's importer into an empty shop: read, checked row by row,
staged and merged with offers, titles and categories indexed. Each run is a process of its own,
whose peak resident memory is what the kernel says; 20,000 items against 100,000 show whether it
grows with the file. With embeddings, by the default model in the same process, fewer items are
measured: the rate does not depend on their number. The baseline is psycopg's COPY of the same rows
into the same two tables. Items per second are those of CPU seconds of process and database
together; the wall clock is beside them.
"""

import argparse
import csv
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import environment
from bench.environment import step
from bench.processes import cpu_seconds, peak_megabytes, postgres_pid

SCHEMA = "imported"
HOST = "imported.localhost"
WORDS = (
    "oak", "steel", "linen", "tent", "lamp", "bench", "jacket", "trail", "river", "mountain",
    "warm", "light", "folding", "sturdy", "soft", "waterproof", "compact", "quiet", "bright",
    "classic", "modern", "handmade", "recycled", "double", "quick", "dry",
)  # fmt: skip
COLUMNS = (
    "id", "title", "description", "brand", "category", "price", "sale_price", "stock",
    "image_link", "link", "color", "material", "weight",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=20_000)
    parser.add_argument("--embedded", type=int, default=5_000)
    parser.add_argument("--child", nargs=2, metavar=("FILE", "EMBED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    environment.start()
    if options.child:
        imported(Path(options.child[0]), embed=options.child[1] == "yes")
        return
    small = run(options.small)
    large = run(options.items)
    copied = copy_rate()
    embedded = run(options.embedded, embed=True)
    environment.report(
        bench="import",
        items_per_s=round(large["per_cpu_s"]),
        items_per_s_embedded=round(embedded["per_cpu_s"]),
        copy_items_per_s=round(copied),
        share_of_copy=round(large["per_cpu_s"] / copied, 3),
        items_per_s_wall=round(large["per_s"]),
        items_per_s_embedded_wall=round(embedded["per_s"]),
        peak_mb=round(large["peak_mb"], 1),
        peak_mb_small=round(small["peak_mb"], 1),
        peak_growth=round(large["peak_mb"] / small["peak_mb"], 3),
        items=options.items,
        items_small=options.small,
        items_embedded=options.embedded,
    )


def run(items: int, *, embed: bool = False) -> dict[str, float]:
    """Import so many generated items in a process of its own; what that one measured."""
    make_tenant()
    feed = write_feed(items)
    with step(f"Importing {items:,} items{' and embedding them' if embed else ''}"):
        done = subprocess.run(
            [sys.executable, __file__, "--child", str(feed), "yes" if embed else "no"],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {measured}", file=sys.stderr)
    return measured


def make_tenant() -> None:
    from tenants.closing import close_tenant
    from tenants.connection import connection
    from tenants.models import Tenant
    from tenants.opening import open_tenant

    connection.set_schema_to_public()
    old = Tenant.objects.filter(schema_name=SCHEMA).first()
    if old is not None:
        close_tenant(old)
    open_tenant(schema_name=SCHEMA, name="Imported", host=HOST)
    connection.set_schema(SCHEMA)


def write_feed(items: int) -> Path:
    """A CSV file of a shop's usual breadth: some 600 bytes an item."""
    rng = random.Random(4)  # noqa: S311  # a generated catalog, not a secret
    path = environment.VAR / f"feed-{items}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(items):
            price = rng.randrange(500, 50_000) / 100
            writer.writerow(
                [
                    f"SKU-{number}",
                    f"{' '.join(rng.choices(WORDS, k=4)).capitalize()} {number}",
                    f"<p>{' '.join(rng.choices(WORDS, k=50))}.</p>",
                    f"Brand {rng.randrange(300)}",
                    f"Department {rng.randrange(12)} > Shelf {rng.randrange(60)}",
                    f"{price:.2f}",
                    f"{price * 0.8:.2f}" if rng.random() < 0.2 else "",
                    rng.randrange(200),
                    f"https://shop.example/images/{number}.jpg",
                    f"https://shop.example/items/{number}",
                    rng.choice(["red", "green", "blue"]),
                    rng.choice(["oak", "steel"]),
                    f"{rng.random() * 10:.2f} kg",
                ]
            )
    return path


def imported(feed: Path, *, embed: bool) -> None:
    """Import the file here and now; the last line says at what rate and in how much memory."""
    from catalog.importing import run_import
    from catalog.models import FeedImport
    from catalog.tasks import embed_changed_items
    from tenants.connection import connection

    connection.set_schema(SCHEMA)
    feed_import = FeedImport.objects.create(
        format="csv", file_name=feed.name, options={"currency": "EUR", "language": "en"}
    )
    database = postgres_pid()
    cpu = time.process_time() + cpu_seconds(database)
    started = time.perf_counter()
    with feed.open("rb") as stream:
        run_import(feed_import, stream)
    if embed:
        embed_changed_items(SCHEMA)
    seconds = time.perf_counter() - started
    cpu = time.process_time() + cpu_seconds(database) - cpu
    assert feed_import.created == feed_import.rows > 0, feed_import.failure
    environment.report(
        per_cpu_s=feed_import.rows / cpu,
        per_s=feed_import.rows / seconds,
        peak_mb=peak_megabytes(),
    )


def copy_rate() -> float:
    """Rows a CPU second of psycopg's COPY of the items and offers that are there, after emptying
    the tables."""
    from tenants.connection import connection
    from tenants.database.roles import as_owner

    tables: dict[str, tuple[str, list[Any]]] = {}
    for table in ("catalog_item", "catalog_offer"):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                " AND NOT attisdropped ORDER BY attnum",
                [table],
            )
            columns = ", ".join(name for (name,) in cursor.fetchall())
            cursor.execute(f"SELECT {columns} FROM {table}")
            tables[table] = columns, cursor.fetchall()
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE catalog_item CASCADE")
    database = postgres_pid()
    cpu = time.process_time() + cpu_seconds(database)
    with step("Copying the same rows"):
        for table, (columns, rows) in tables.items():
            with (
                connection.cursor() as cursor,
                cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
            ):
                for row in rows:
                    copy.write_row(row)
    cpu = time.process_time() + cpu_seconds(database) - cpu
    return len(tables["catalog_item"][1]) / cpu


if __name__ == "__main__":
    main()
