"""The Online Retail log in a tenant of its own, loaded raw through the product's importers.

UCI Online Retail (Chen, Sain, Guo 2012, CC BY 4.0): 541,909 rows with guests, cancellations,
missing descriptions and wholesale baskets.
"""

import csv
import gzip
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path

from bench.environment import DATA, step

FILE = DATA / "online-retail" / "transactions.csv.gz"
SCHEMA = "online_retail"
HOST = "online-retail.localhost"
SPLIT = datetime(2011, 11, 12, tzinfo=UTC)
STOCK_CODE = re.compile(r"^\d{5}[A-Za-z]?$")
"""A code of merchandise; POST, M, BANK CHARGES and the like are no items of a catalog."""


@dataclass(frozen=True)
class Row:
    """One line of the raw file, with its numbers read."""

    invoice: str
    item: str
    title: str
    quantity: int
    at: datetime
    price: float
    shopper: str


def raw_rows(path: Path = FILE) -> Iterator[Row]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            yield Row(
                invoice=row["InvoiceNo"],
                item=row["StockCode"],
                title=row["Description"].strip(),
                quantity=int(row["Quantity"]),
                at=datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=UTC),
                price=float(row["UnitPrice"]),
                shopper=row["CustomerID"].removesuffix(".0"),
            )


def clean_rows() -> list[Row]:
    """The protocol's rows: shopper known, bought, paid, merchandise."""
    return [
        row
        for row in raw_rows()
        if row.shopper
        and row.quantity > 0
        and row.price > 0
        and not row.invoice.startswith("C")
        and STOCK_CODE.match(row.item)
    ]


def catalog_feed() -> BytesIO:
    """What the shop's catalog export would be: one row a code, its usual name and last price."""
    titles: defaultdict[str, Counter[str]] = defaultdict(Counter)
    prices: dict[str, float] = {}
    for row in raw_rows():
        if STOCK_CODE.match(row.item):
            titles[row.item][row.title] += 1
            if row.price > 0:
                prices[row.item] = row.price
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(["StockCode", "Description", "UnitPrice"])
    for item, names in titles.items():
        writer.writerow([item, names.most_common(1)[0][0], prices.get(item, "")])
    return BytesIO(text.getvalue().encode())


def load(*, fresh: bool = False) -> None:
    """Make the tenant, import catalog and log, train on all but the last 28 days.

    What an earlier run has loaded is used again, unless `fresh`. Leaves the tenant's schema set,
    states and ranker as they were at SPLIT.
    """
    from catalog.importing import run_import
    from catalog.models import FeedImport
    from catalog.tasks import embed_changed_items
    from profiles.event_log import LogFormat, import_events
    from profiles.models import EventImport, Purpose, Shopper
    from profiles.state import rebuild_states
    from recommendations.models import Placement, RankerVersion
    from recommendations.training_run import train
    from tenants.closing import close_tenant
    from tenants.connection import connection
    from tenants.models import Tenant
    from tenants.opening import open_tenant

    connection.set_schema_to_public()
    tenant = Tenant.objects.filter(schema_name=SCHEMA).first()
    if tenant is not None:
        connection.set_schema(SCHEMA)
        complete = EventImport.objects.filter(finished_at__isnull=False).exists()
        connection.set_schema_to_public()
        if fresh or not complete:
            close_tenant(tenant)
            tenant = None
    if tenant is None:
        open_tenant(schema_name=SCHEMA, name="Online Retail", host=HOST, currency="GBP")
        connection.set_schema(SCHEMA)
        with step("Importing the catalog"):
            feed = FeedImport.objects.create(
                format="csv",
                file_name="catalog.csv",
                columns={
                    "StockCode": "external_id",
                    "Description": "title",
                    "UnitPrice": "price",
                },
                options={"currency": "GBP", "language": "en"},
            )
            run_import(feed, catalog_feed())
        print(f"  {feed.created} items, {feed.failed} bad rows {feed.failure}", file=sys.stderr)
        with step("Embedding the catalog"):
            embed_changed_items(SCHEMA)
        with (
            step("Importing the raw log"),
            gzip.open(FILE, "rt", encoding="utf-8", newline="") as stream,
        ):
            event_import, outcome = import_events(
                stream,
                LogFormat(
                    columns={
                        "shopper": "CustomerID",
                        "guest": "InvoiceNo",
                        "session": "InvoiceNo",
                        "item": "StockCode",
                        "occurred_at": "InvoiceDate",
                        "quantity": "Quantity",
                        "unit_price": "UnitPrice",
                    },
                    currency="GBP",
                ),
                file_name=FILE.name,
                purposes={Purpose.PERSONALIZATION: True, Purpose.RESEARCH: True},
                source="benchmark on a public data set",
            )
        print(
            f"  {event_import.stored_events} events stored, {dict(outcome.errors_by_code)} refused",
            file=sys.stderr,
        )
    connection.set_schema(SCHEMA)
    for code, repeats in (("quality-all", True), ("quality-new", False)):
        Placement.objects.update_or_create(
            code=code,
            defaults={"question": "home", "diversity": 0.0, "repeats_purchases": repeats},
        )
    # Always anew, and from nothing: what is measured is the training of the code at hand.
    RankerVersion.objects.all().delete()
    with step("Training on the events before the split"):
        train(SPLIT)
    with step("Taking the shoppers' states back to the split"):
        rebuild_states(list(Shopper.objects.values_list("pk", flat=True)), until=SPLIT)
