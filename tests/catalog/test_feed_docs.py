"""docs/feeds.md says what the readers do."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from catalog.feeds.columns import ATTRIBUTE_TYPES, FIELDS
from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.rows import KINDS, FeedErrorCode
from tests.catalog.feed_files import read

TEXT = (Path(__file__).parents[2] / "docs" / "feeds.md").read_text(encoding="utf-8")


def names_in_tables(heading: str) -> set[str]:
    """Every `name` in the first column of the table below a heading."""
    section = TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    first_cells = re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE)
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_error_code_is_documented_and_no_other() -> None:
    documented = names_in_tables("Errors of a row") | names_in_tables("Refusals of a file")
    assert documented == {str(code) for code in FeedErrorCode}


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Formats", {str(name) for name in FeedFormat}),
        ("Fields", FIELDS),
        ("Options", {option.name for option in fields(FeedDefaults)}),
    ],
)
def test_every_format_field_and_option_is_documented_and_no_other(
    heading: str, names: set[str]
) -> None:
    assert names_in_tables(heading) == names


def test_kinds_and_attribute_types_are_documented() -> None:
    assert all(f"`{name}`" in TEXT for name in ATTRIBUTE_TYPES)
    assert ", ".join(KINDS[:-1]) + f" or {KINDS[-1]}" in TEXT


def test_the_worked_example_gives_what_it_says() -> None:
    example = TEXT.split("### A worked example\n", 1)[1]
    blocks = re.findall(r"```\w+\n(.*?)```", example, flags=re.DOTALL)
    columns, options, expected_item, expected_errors = map(json.loads, blocks[1:5])
    outcome = read(blocks[0], columns=columns, **options)
    [item] = outcome.items
    found = {name: getattr(item, name) for name in expected_item}
    assert json.loads(json.dumps(found, default=str)) == expected_item
    assert [
        {"row": e.row, "external_id": e.external_id, "field": e.field, "code": e.code}
        for e in outcome.errors
    ] == expected_errors
