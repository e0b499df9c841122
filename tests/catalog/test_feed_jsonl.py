"""JSON Lines: native types, and every way in which a line can be wrong."""

from decimal import Decimal
from typing import Any

import pytest

from catalog.feeds.options import FeedFormat
from catalog.feeds.rows import FeedItem
from tests.catalog.feed_files import read, read_json, refusal


def test_an_object_with_native_types_becomes_an_item() -> None:
    item = read_json(
        {
            "id": 4711,
            "title": "Reading music",
            "kind": "lesson",
            "category_path": ["Music", "Theory"],
            "attributes": {"level": 2, "live": False, "teachers": ["Ada", "Béla"], "none": None},
            "images": ["https://img.example/1.jpg", "https://img.example/2.jpg"],
            "price": 12.989999999999998,
            "currency": "usd",
            "available": True,
            "stock": 3,
            "unknown": {"deep": []},
        }
    ).item
    assert item == FeedItem(
        external_id="4711",
        title="Reading music",
        kind="lesson",
        category_path=("Music", "Theory"),
        attributes={"level": 2.0, "live": False, "teachers": ["Ada", "Béla"]},
        images=("https://img.example/1.jpg", "https://img.example/2.jpg"),
        price=Decimal("12.99"),
        currency="USD",
        stock=3,
    )


def test_keys_are_mapped_like_columns() -> None:
    item = read_json(
        {"sku": "A", "name": "Toner", "cents": 4995, "attr_n_pages": 6, "attr_t_type": "laser"},
        columns={
            "sku": "external_id",
            "name": "title",
            "cents": "price",
            "attr_n_*": "attribute",
            "attr_t_*": "attribute",
        },
        minor_units=True,
    ).item
    assert item.price == Decimal("49.95")
    assert item.attributes == {"pages": 6.0, "type": "laser"}
    assert isinstance(item.attributes["pages"], int), "six pages, not 6.0"


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"id": None}, "external_id", "missing_id"),
        ({"id": ["A"]}, "external_id", "invalid_type"),
        ({"id": True}, "external_id", "invalid_type"),
        ({"id": "x" * 201}, "external_id", "too_long"),
        ({"title": ["Lamp"]}, "title", "invalid_type"),
        ({"title": {"en": "Lamp"}}, "title", "invalid_type"),
        ({"title": "  "}, "title", "missing_title"),
        ({"title": "x" * 501}, "title", "too_long"),
        ({"price": True}, "price", "invalid_type"),
        ({"price": [5]}, "price", "invalid_type"),
        ({"price": "five"}, "price", "invalid_number"),
        ({"price": -0.01}, "price", "negative_price"),
        ({"price": 10**11}, "price", "absurd_price"),
        ({"price": 1e300}, "price", "absurd_price"),
        ({"cost": -1}, "cost", "negative_price"),
        ({"sale_price": 6}, "sale_price", "sale_price_above_price"),
        ({"currency": "EURO"}, "currency", "invalid_currency"),
        ({"price": "5 USD", "currency": "EUR"}, "currency", "currency_conflict"),
        ({"stock": 1.5}, "stock", "invalid_stock"),
        ({"stock": 10**10}, "stock", "invalid_stock"),
        ({"stock": -1}, "stock", "negative_stock"),
        ({"stock": "many"}, "stock", "invalid_number"),
        ({"available": "perhaps"}, "available", "invalid_availability"),
        ({"available": []}, "available", None),
        ({"kind": "opera"}, "kind", "invalid_kind"),
        ({"language": "the English one"}, "language", "invalid_language"),
        ({"link": "javascript:alert(1)"}, "address", "invalid_address"),
        ({"link": "https://shop.example/" + "x" * 2000}, "address", "too_long"),
        ({"images": ["data:image/png;base64,AAAA"]}, "images", "invalid_address"),
        ({"images": ["/1.jpg"] * 301}, "images", "too_many_values"),
        ({"images": [{"url": "/1.jpg"}]}, "images", "invalid_type"),
        ({"category": ["x"] * 21}, "category_path", "too_many_values"),
        ({"category": "x" * 201}, "category_path", "too_long"),
        ({"category": [True]}, "category_path", "invalid_type"),
        ({"attributes": [1]}, "attributes", "invalid_type"),
        ({"attributes": {"size": {"eu": 38}}}, "attribute:size", "invalid_type"),
        ({"attributes": {"size": 10**400}}, "attribute:size", "invalid_number"),
        ({"attributes": {"size": [1] * 201}}, "attribute:size", "too_many_values"),
        ({"attributes": {"size": "x" * 10_001}}, "attribute:size", "too_long"),
        ({"attributes": {"x" * 101: 1}}, "attributes", "too_long"),
        ({"attributes": {str(n): n for n in range(501)}}, "attributes", "too_many_values"),
        ({"sale_price": 3, "sale_period": "yesterday"}, "sale_period", "invalid_date"),
        ({"description": "x" * 50_001}, "description", "too_long"),
        ({"brand": "x" * 201}, "brand", "too_long"),
        ({"item_group_id": "x" * 201}, "group_id", "too_long"),
    ],
)
def test_a_wrong_value_is_reported_under_its_field_and_the_next_row_read(
    change: dict[str, Any], field: str, code: str | None
) -> None:
    good = {"id": "A", "title": "Lamp", "price": 5}
    outcome = read_json({**good, **change}, {**good, "id": "B"})
    if code is None:
        assert outcome.ids == ["A", "B"]
    else:
        assert outcome.ids == ["B"]
        assert outcome.codes == [(1, field, code)]


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "A", "title": "Lamp"',
        '{"id": "A", "title": "Lamp", "price": NaN}',
        '{"id": "A", "title": "Lamp", "price": -Infinity}',
        '{"id": "A", "title": "Lamp", "price": 5, "price": 6}',
        '{"id": "A", "title": "Lamp", "price": 1e99999999999999999999}',
        '{"id": "A", "title": "Lamp\t", "price": 5}',
        '["A", "Lamp", 5]',
        "7",
        "null",
        '{"x":' * 50_000 + "1" + "}" * 50_000,
    ],
)
def test_a_line_that_is_no_json_object_is_reported_and_the_next_row_read(line: str) -> None:
    good = '{"id": "%s", "title": "Lamp", "price": 5}\n'
    outcome = read(good % "B" + line + "\n\n" + good % "C", FeedFormat.JSONL)
    assert outcome.ids == ["B", "C"]
    assert outcome.codes == [(2, "", "invalid_json")]


def test_a_line_beyond_a_megabyte_is_reported_and_the_next_row_read() -> None:
    good = {"id": "A", "title": "Lamp", "price": 5}
    outcome = read_json({**good, "description": "x" * 2_000_000}, good)
    assert outcome.ids == ["A"]
    assert outcome.codes == [(1, "", "too_large_row")]


def test_what_no_database_stores_is_removed() -> None:
    item = read_json(
        {
            "id": "A\x00",
            "title": "Lamp\ud800 \x01x",
            "price": 5,
            "description": "a\x00b",
            "attributes": {"si\x00ze": "1\x00"},
        }
    ).item
    assert (item.external_id, item.title, item.description) == ("A", "Lamp x", "ab")
    assert item.attributes == {"size": "1"}


@pytest.mark.parametrize(
    ("feed", "code"),
    [
        ("", "empty_file"),
        (" \n\n", "empty_file"),
        ('[{"id": "A"}]', "not_json_lines"),
        ("id,title\nA,Lamp", "not_json_lines"),
    ],
)
def test_a_file_that_is_not_json_lines_is_refused(feed: str, code: str) -> None:
    assert refusal(feed, FeedFormat.JSONL) == code
