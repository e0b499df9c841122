"""Feeds that are one JSON array or one YAML list: read in a stream, and refused where broken."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds.options import FeedFormat
from catalog.feeds.rows import FeedUnreadable
from tests.catalog.feed_files import read, refusal

YAML = """\
# a shop's products
- id: A-1
  name: "Oak table: round"
  price: 129.90
  current_stock: 7
  category: furniture
  description: A table of solid oak,
    oiled by hand.
  attributes: {color: no, size: 1.10}
  images: [https://shop.example/a.jpg, https://shop.example/b.jpg]
- id: A-2
  name: Lamp
  price: ~
- just text
- {id: A-3, name: Chair, price: '5', stock: null}
"""


def test_a_yaml_list_is_read_like_a_table_and_its_values_stay_text() -> None:
    outcome = read(YAML, FeedFormat.YAML)
    table, chair = outcome.items
    assert table.title == "Oak table: round"
    assert table.description == "A table of solid oak, oiled by hand."
    assert table.attributes == {"color": "no", "size": "1.10"}
    assert (str(table.price), table.stock, len(table.images)) == ("129.9000", 7, 2)
    assert (chair.external_id, chair.stock) == ("A-3", None)
    assert outcome.codes == [(11, "price", "missing_price"), (14, "", "invalid_type")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_file"),
        ("# nothing\n", "empty_file"),
        ("[]", "empty_file"),
        ("id: A\nname: B\n", "broken_document"),
        ("just text", "broken_document"),
        ("- &a {id: A, name: B, price: 1}\n- *a\n", "broken_document"),
        ("- {id: A, name: B\n", "broken_document"),
        ("- {id: A, id: B, name: C, price: 1}\n", "broken_document"),
        ("- {id: A, [1]: B, name: C, price: 1}\n", "broken_document"),
        ("- {id: A, name: B, price: 1}\n---\n- {id: C}\n", "broken_document"),
        ("- " + "[" * 40 + "]" * 40, "broken_document"),
        ("- \t- broken", "broken_document"),
    ],
)
def test_yaml_that_is_no_plain_list_of_objects_refuses_the_file(text: str, code: str) -> None:
    assert refusal(text, FeedFormat.YAML) == code


def test_an_object_or_a_text_without_end_is_stopped_by_its_size() -> None:
    for text in (f"- id: A\n  name: '{'x' * 9_000_000}", f"- id: A\n  name: {'x ' * 700_000}\n"):
        assert refusal(text, FeedFormat.YAML) == "too_large_row"
    text = f'[{{"id": "A", "name": "{"x" * 3_000_000}"}}]'
    assert refusal(text, FeedFormat.JSON) == "too_large_row"


def test_a_json_array_is_read_object_by_object() -> None:
    rows = [
        {"id": "A", "name": "Tisch \ud83d\ude00", "price": "5", "attributes": {"legs": 4}},
        17,
        {"id": "B", "name": "x" * 100_000, "price": 1},
        {"id": "C", "name": "Stuhl", "price": 2.5},
    ]
    for text in (json.dumps(rows), json.dumps(rows, indent=2), f"\n {json.dumps(rows)} \n"):
        outcome = read(text, FeedFormat.JSON)
        assert outcome.ids == ["A", "C"]
        assert outcome.items[0].title == "Tisch 😀"
        assert outcome.items[0].attributes == {"legs": 4}
        assert [code for _, _, code in outcome.codes] == ["invalid_type", "too_long"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[ ]", "empty_file"),
        ('{"id": "A"}', "broken_document"),
        ('[{"id": "A", "name": "B", "price": 1}', "broken_document"),
        ('[{"id": "A", "name": "B", "price": 1}]]', "broken_document"),
        ('[{"id": "A", "name": "B", "price": 1} {"id": "C"}]', "broken_document"),
        ('[{"id": "A", "name": "B", "price": 1},]', "broken_document"),
        ('[{"id": "A", "id": "B"}]', "broken_document"),
        ('[{"id": NaN}]', "broken_document"),
        ("[" * 100_000, "broken_document"),
    ],
)
def test_json_that_is_no_array_of_objects_refuses_the_file(text: str, code: str) -> None:
    assert refusal(text, FeedFormat.JSON) == code


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.sampled_from([FeedFormat.JSON, FeedFormat.YAML]))
def test_any_text_is_read_or_refused(text: str, format_: FeedFormat) -> None:
    for data in (text, f"[{text}]", f"- {text}"):
        with suppress(FeedUnreadable):
            read(data.encode(errors="surrogatepass"), format_)
