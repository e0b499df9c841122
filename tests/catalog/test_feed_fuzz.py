"""Whatever arrives, readers answer with items, row errors or a refusal, all fit to be stored."""

import csv
import gzip
import io
import json
import time
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds.detect import detect_format
from catalog.feeds.markup import html_to_text
from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.read import read_feed
from catalog.feeds.rows import KINDS, FeedError, FeedItem, FeedUnreadable
from tests.catalog.feed_files import google_rss

FORMATS = st.sampled_from(list(FeedFormat))
DEFAULTS = FeedDefaults(currency="EUR")

# Beginnings that get past the first checks, so that the bytes behind them are really read.
OPENINGS = st.sampled_from(
    [
        b"",
        b"id,title,price\n",
        b"id\ttitle\tprice\timage_link\n",
        b"Handle,Title,Variant Price,Variant SKU,Image Src,Option1 Value\n",
        b'{"id": "A", "title": "Lamp", "price": ',
        b'<rss xmlns:g="http://base.google.com/ns/1.0"><item><g:id>A</g:id><title>',
        b"\xef\xbb\xbfid,title,price\n",
        b"\xff\xfe",
        b"\x1f\x8b",
        b"sep=;\n",
    ]
)
TRICKY = [
    "",
    "A",
    "5",
    "-5",
    "1e999",
    "5 USD",
    "€",
    "12,99",
    "NaN",
    "\0",
    "a=b",
    "{",
    "[]",
    "a/b",
    "=1+1",
    "in stock",
    "true",
    "<p>x",
    "&#0;",
    "x:y",
    "//",
    "9" * 400,
    "2026-03-10/",
    "٣",
    "\u2028",
    '"',
]
TEXT = st.text(max_size=60) | st.sampled_from(TRICKY)


def check_all(rows: Iterable[FeedItem | FeedError]) -> None:
    for row in rows:
        if isinstance(row, FeedItem):
            check_item(row)
        else:
            check_texts([row.external_id or "", row.field, row.message, row.raw])
            assert row.row >= 1
            assert len(row.field) <= 100
            assert len(row.raw) <= 120


def check_item(item: FeedItem) -> None:
    assert 0 < len(item.external_id) <= 200
    assert 0 < len(item.title) <= 500
    assert item.kind in KINDS
    assert len(item.language) <= 10
    assert item.stock is None or 0 <= item.stock < 2**31
    for amount in (item.price, item.sale_price, item.cost):
        assert amount is None or (0 <= amount <= 10**10 and amount == round(amount, 4))
        assert amount is None or item.currency is not None
    assert item.sale_price is None or (item.price is not None and item.sale_price < item.price)
    check_texts([item.external_id, item.title, item.description, item.brand, item.address])
    check_texts([*item.category_path, *item.images, item.group_id or "", item.language])
    check_texts([*item.attributes, json.dumps(item.attributes, allow_nan=False)])
    check_texts([str(value) for value in item.attributes.values()])


def check_texts(texts: Iterable[str]) -> None:
    for text in texts:
        assert "\0" not in text
        text.encode()  # no lone surrogates


def read_quietly(data: bytes, format_: FeedFormat, **options: Any) -> None:
    with suppress(FeedUnreadable):
        check_all(read_feed(io.BytesIO(data), format=format_, defaults=DEFAULTS, **options))


@given(format_=FORMATS, opening=OPENINGS, data=st.binary(max_size=300), packed=st.booleans())
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_never_raise_anything_but_a_refusal(
    *, format_: FeedFormat, opening: bytes, data: bytes, packed: bool
) -> None:
    feed = opening + data
    read_quietly(gzip.compress(feed) if packed else feed, format_)
    with suppress(FeedUnreadable):
        detect_format("feed.csv", feed)


@given(FORMATS, OPENINGS, st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_arbitrary_text_never_raises_anything_but_a_refusal(
    format_: FeedFormat, opening: bytes, text: str
) -> None:
    read_quietly(
        opening + text.encode("utf-8", errors="ignore"), format_, columns={"*": "attribute"}
    )


CSV_NAMES = (
    "id title kind description brand category attributes image link language available group_id "
    "price sale_price sale_period currency cost stock color"
)
CSV_COLUMNS = CSV_NAMES.split()


@given(
    rows=st.lists(st.lists(TEXT, min_size=19, max_size=19), min_size=1, max_size=3),
    decimal_comma=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_arbitrary_cells_of_a_table_give_items_or_row_errors(
    *, rows: list[list[str]], decimal_comma: bool
) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    writer.writerow(["whole", "Row", *[""] * 10, "5", *[""] * 6])
    writer.writerows([cell or " " for cell in row] for row in rows)
    defaults = FeedDefaults(currency="EUR", decimal_comma=decimal_comma)
    data = out.getvalue().encode("utf-8", errors="ignore")
    answers = list(read_feed(io.BytesIO(data), format=FeedFormat.CSV, defaults=defaults))
    check_all(answers)
    lines = {answer.row for answer in answers}
    blank = sum(all(not cell.strip() for cell in row) for row in rows)
    assert len(lines) == 1 + len(rows) - blank


@given(st.lists(TEXT, min_size=23, max_size=23))
@settings(max_examples=200, deadline=None)
def test_arbitrary_cells_of_a_shopify_export_give_items_or_row_errors(cells: list[str]) -> None:
    names = (
        "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,"
        "Option2 Name,Option2 Value,Variant SKU,Variant Inventory Qty,Variant Inventory Policy,"
        "Variant Price,Variant Compare At Price,Image Src,Image Position,Variant Image,"
        "Cost per item,Status,Product Category,Extra"
    )
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([names.split(","), ["A", "Lamp", *[""] * 12, "5", *[""] * 8], cells])
    data = out.getvalue().encode("utf-8", errors="ignore")
    rows = read_feed(
        io.BytesIO(data),
        format=FeedFormat.SHOPIFY_CSV,
        columns={"Extra": "attribute"},
        defaults=DEFAULTS,
    )
    check_all(rows)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*CSV_COLUMNS, "\0other"]), JSON_VALUES))
@settings(max_examples=200, deadline=None)
def test_arbitrary_json_values_give_an_item_or_row_errors(row: dict[str, Any]) -> None:
    feed = json.dumps({"id": "A", "title": "Lamp", "price": 5} | row)
    rows = read_feed(
        io.BytesIO(feed.encode()),
        format=FeedFormat.JSONL,
        columns={"*": "attribute"},
        defaults=DEFAULTS,
    )
    answers = list(rows)
    check_all(answers)
    assert {answer.row for answer in answers} == {1}


@given(st.dictionaries(st.sampled_from(["id", "title", "price", "link", "quantity"]), TEXT))
@settings(max_examples=200, deadline=None)
def test_arbitrary_text_in_a_google_item_gives_items_row_errors_or_a_refusal(
    fields: dict[str, str],
) -> None:
    item = "".join(f"<g:{name}>{escape(text)}</g:{name}>" for name, text in fields.items())
    read_quietly(google_rss(item).encode("utf-8", errors="ignore"), FeedFormat.GOOGLE_XML)


@given(st.text(alphabet="<>/!-ab &;#\"'scriptsty le", max_size=80))
@settings(max_examples=150, deadline=None)
def test_html_of_any_shape_is_read_as_text(markup: str) -> None:
    assert "\n\n" not in html_to_text(markup)


@given(st.decimals(min_value=0, max_value=10**9, places=4))
def test_a_price_survives_reading_to_the_last_place(price: Decimal) -> None:
    feed = f"id,title,price\nA,Lamp,{price:f}\n".encode()
    [item] = read_feed(io.BytesIO(feed), format=FeedFormat.CSV, defaults=DEFAULTS)
    assert isinstance(item, FeedItem)
    assert item.price == price


HOSTILE = [
    "http:" + " " * 900_000 + "x",
    "/a" + ",/" * 450_000,
    "a=" + "," * 900_000,
    ">" * 900_000,
    "<!--" * 200_000,
    "9" * 900_000,
    "[" * 900_000,
    "1," * 400_000,
]


@pytest.mark.parametrize("cell", HOSTILE, ids=lambda cell: cell[:5])
def test_cells_made_to_take_quadratic_time_are_read_at_once(cell: str) -> None:
    columns = ["description", "category", "attributes", "image", "link", "price", "color", "cost"]
    feed = "".join(
        json.dumps({"id": "A", "title": "Lamp", "price": 5} | {column: cell}) + "\n"
        for column in columns
    )
    started = time.process_time()
    rows = list(read_feed(io.BytesIO(feed.encode()), format=FeedFormat.JSONL, defaults=DEFAULTS))
    # Each takes a fraction of a second; quadratic reading took ten seconds and more.
    assert time.process_time() - started < 5
    check_all(rows)
    assert {row.row for row in rows} == set(range(1, len(columns) + 1))
