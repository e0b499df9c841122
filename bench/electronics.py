"""The electronics set in a tenant of its own, and its judgments.

19,406 products of Open Icecat (text under the OPL) with thousands of sparse attributes, and graded
relevance of products to 63 shopper queries (Apache-2.0), as in ../shared/data/README.md.
"""

import gzip
import json
from collections.abc import Iterator
from typing import Any

from bench.environment import DATA, step

FOLDER = DATA / "electronics-search"
PRODUCTS = FOLDER / "products.jsonl.gz"
JUDGMENTS = FOLDER / "judgments.csv"
SCHEMA = "electronics"
HOST = "electronics.localhost"

COLUMNS = {
    "id": "external_id",
    "title": "title",
    "name": "attribute:mpn",
    "ean": "attribute:ean:list",
    "short_description": "description",
    "supplier": "brand",
    "price": "price",
    "img_500x500": "images",
    "img_high": "ignore",
    "img_low": "ignore",
    "img_thumb": "ignore",
    "date_released": "ignore",
    "attr_t_*": "attribute",
    "attr_n_*": "attribute",
    "attr_b_*": "attribute",
}


def products() -> Iterator[dict[str, Any]]:
    with gzip.open(PRODUCTS, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def attributes_of(product: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """As they are named once imported: `attr_t_product_colour` is `product colour`."""
    for column, value in product.items():
        if column.startswith("attr_"):
            yield column.split("_", 2)[2].replace("_", " ").strip(), value


def load(*, fresh: bool = False) -> None:
    """Import the catalog through the product's importer unless it is there already, embed it with
    the embedder that is set, index it, and leave its tenant set."""
    from catalog.importing import run_import
    from catalog.models import FeedImport, Item
    from catalog.search.indexing import update_index
    from catalog.tasks import embed_changed_items
    from tenants.closing import close_tenant
    from tenants.connection import connection
    from tenants.models import Tenant
    from tenants.opening import open_tenant

    connection.set_schema_to_public()
    tenant = Tenant.objects.filter(schema_name=SCHEMA).first()
    if tenant is not None and fresh:
        close_tenant(tenant)
        tenant = None
    if tenant is None:
        tenant = open_tenant(schema_name=SCHEMA, name="Electronics", host=HOST)
    connection.set_tenant(tenant)
    if not Item.objects.exists():
        with step("Importing the catalog"), PRODUCTS.open("rb") as stream:
            feed = FeedImport.objects.create(
                format="jsonl",
                file_name=PRODUCTS.name,
                columns=COLUMNS,
                options={"currency": "EUR", "language": "en", "minor_units": True},
            )
            run_import(feed, stream)
            assert feed.status == FeedImport.Status.DONE, feed.failure
            assert feed.failed == 0, list(feed.row_errors.values_list("message", flat=True)[:5])
    with step("Embedding what is not embedded yet"):
        embed_changed_items(SCHEMA)
    with step("Indexing what is not indexed yet"):
        update_index()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_item, catalog_offer, catalog_itemembedding")
