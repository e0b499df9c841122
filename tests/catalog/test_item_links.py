"""Links between items by feed: the merchant's own word of what goes with what."""

import io
from typing import Any

import pytest

from catalog.importing import run_import
from catalog.models import FeedContent, FeedImport, ItemLink
from tests.make import make_item

pytestmark = pytest.mark.usefixtures("tenant")

MAGENTO = 'sku,linked_sku\n"WH01","WP06\nWS02\nGONE"\n"WH02","WH01"\n"NONE","WH01"\n'


def imported(text: str, *, full: bool = False, **options: Any) -> FeedImport:
    feed_import = FeedImport.objects.create(
        content=FeedContent.LINKS, format="csv", file_name="links", full=full, options=options
    )
    run_import(feed_import, io.BytesIO(text.encode()))
    feed_import.refresh_from_db()
    return feed_import


def counts(feed_import: FeedImport) -> dict[str, int]:
    names = ("rows", "created", "updated", "unchanged", "archived", "failed")
    return {name: number for name in names if (number := getattr(feed_import, name))}


def links(kind: str = "related") -> list[tuple[str, str]]:
    found = ItemLink.objects.filter(kind=kind).order_by("item", "position")
    return list(found.values_list("item__external_id", "linked__external_id"))


def test_a_magento_export_is_read_and_what_is_unknown_reported() -> None:
    for external_id in ("WH01", "WH02", "WP06", "WS02"):
        make_item(external_id)
    feed_import = imported(MAGENTO)
    assert links() == [("WH01", "WP06"), ("WH01", "WS02"), ("WH02", "WH01")]
    assert list(feed_import.row_errors.values_list("row", "field", "raw", "code")) == [
        (2, "linked", "GONE", "unknown_item"),
        (6, "item", "NONE", "unknown_item"),
    ]
    assert counts(feed_import) == {"rows": 3, "created": 2, "failed": 2} | {}
    assert counts(imported(MAGENTO))["rows"] == 3
    assert links() == [("WH01", "WP06"), ("WH01", "WS02"), ("WH02", "WH01")]


def test_a_row_replaces_the_links_of_its_kind_alone() -> None:
    for external_id in "ABCD":
        make_item(external_id)
    imported("item,linked,kind\nA,B;C,related\nA,D,Cross-Sell\nB,C,related\n")
    again = imported("item,linked,kind\nA,C|D,related\n")
    assert counts(again) == {"rows": 1, "updated": 1}
    assert links() == [("A", "C"), ("A", "D"), ("B", "C")]
    assert links("cross_sell") == [("A", "D")]
    full = imported('item,linked\nA,"D,C"\n', full=True)
    assert counts(full) == {"rows": 1, "updated": 1, "archived": 1}
    assert links() == [("A", "D"), ("A", "C")]
    assert links("cross_sell") == [("A", "D")], "a feed of one kind says nothing of another"


@pytest.mark.parametrize(
    ("row", "code"),
    [("A,A", "invalid_link"), (",A", "missing_id"), ("A,B,friends", "invalid_kind")],
)
def test_a_row_that_makes_no_link_is_an_error(row: str, code: str) -> None:
    make_item("A")
    make_item("B")
    head = "item,linked,kind\n" if row.count(",") == 2 else "item,linked\n"
    feed_import = imported(head + row + "\n")
    assert [error.code for error in feed_import.row_errors.all()] == [code]
    assert links() == []


def test_the_kind_of_links_that_name_none_is_an_option() -> None:
    make_item("A")
    make_item("B")
    imported("sku,crosssell_skus\nA,B\n", link_kind="cross_sell")
    assert links("cross_sell") == [("A", "B")]
    assert "invalid_options" in imported("sku,linked\nA,B\n", link_kind="friends").failure
