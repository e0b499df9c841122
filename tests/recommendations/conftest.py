"""A shop whose catalog is small enough to know by heart, with a search index of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from catalog.models import Item
from catalog.search.indexing import update_index
from catalog.search.storage import forget
from catalog.search.tenant_vocabulary import refresh_vocabulary
from tests.make import make_item


@pytest.fixture
def index_dir(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.SEARCH_INDEX_DIR = tmp_path / "search"
    for schema in ("ours", "theirs"):
        forget(schema)
    yield
    for schema in ("ours", "theirs"):
        forget(schema)


@pytest.fixture
def jackets(tenant: object, index_dir: None) -> dict[str, Item]:
    """Six jackets that differ in color, price, brand and whether they are waterproof."""
    made = {}
    for name, price, color, size, brand in (
        ("black", "80.00", "black", "M", "Nordhang"),
        ("red", "90.00", "red", "M", "Nordhang"),
        ("navy", "95.00", "navy", "M", "Alpen"),
        ("dear", "150.00", "red", "M", "Alpen"),
        ("small", "60.00", "red", "S", "Alpen"),
    ):
        made[name] = make_item(
            name,
            title=f"Waterproof jacket {name}",
            price=price,
            brand=brand,
            category_path=("Clothing", "Jackets"),
            attributes={"color": color, "size": size, "waterproof": "yes"},
        )
    made["sold-out"] = make_item("sold-out", title="Waterproof jacket gone", stock=0)
    make_item("tent", title="Tent for two", category_path=("Camping",), brand="Alpen")
    refresh_vocabulary()
    update_index(anew=True)
    return made
