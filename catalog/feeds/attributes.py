"""What else a row says of its item: attributes from columns, cells of pairs and JSON objects."""

import math
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Final

from catalog.feeds.columns import MAX_ATTRIBUTE_NAME_CHARS
from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import RowReading
from catalog.feeds.rows import AttributeValue, FeedErrorCode
from catalog.feeds.strict_json import parse_json
from catalog.feeds.values import (
    BadValue,
    parse_boolean,
    parse_limited,
    parse_lines,
    parse_number,
    parse_text,
)

MAX_ATTRIBUTES: Final = 500
MAX_TEXT_CHARS: Final = 10_000
MAX_LIST_VALUES: Final = 200

# Magento and others write several values of one attribute as "Gym|Travel" inside a pair.
_VALUES_IN_PAIR: Final = "|"


EXACT_INTEGERS = 2**53  # beyond it a float does not tell neighboring integers apart


def read_attributes(reading: RowReading, defaults: FeedDefaults) -> dict[str, AttributeValue]:
    """The attributes of a row by name; of two with one name the single column goes first."""
    attributes: dict[str, AttributeValue] = {}
    if not (reading.attribute_cells or reading.parts("attributes")):
        return attributes
    named = [(t.attribute, t.type, raw) for t, raw in reading.attribute_cells]
    for part in reading.parts("attributes"):
        parse = partial(_parse_pairs, defaults=defaults)
        none: list[tuple[str, object]] = []
        pairs = reading.attempt("attributes", part, parse, none)
        named += [(name, "text", raw) for name, raw in pairs]
    if len(named) > MAX_ATTRIBUTES:
        reading.report(
            "attributes",
            FeedErrorCode.TOO_MANY_VALUES,
            f"There are {len(named):,} attributes; {MAX_ATTRIBUTES} are allowed.",
        )
        return {}
    for name, type_, raw in named:
        parse_one = partial(_parse_attribute, type_=type_, defaults=defaults)
        nothing: AttributeValue = ""
        value = reading.attempt(f"attribute:{name}", raw, parse_one, nothing)
        if name and value not in ("", []):
            attributes.setdefault(name, value)
    return attributes


def _parse_attribute(raw: object, *, type_: str, defaults: FeedDefaults) -> AttributeValue:
    if type_ == "number":
        return _to_number(parse_number(raw, decimal_comma=defaults.decimal_comma))
    if type_ == "boolean":
        return parse_boolean(raw)
    if type_ == "list" and not isinstance(raw, list):
        return _parse_list([*parse_lines(raw).split(defaults.list_separator)])
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, Decimal):
        return _to_number(raw)
    return _parse_list(raw) if isinstance(raw, list) else parse_limited(raw, MAX_TEXT_CHARS)


def _to_number(number: Decimal) -> float:
    """A whole number stays one: a shopper reads "30 liters", not "30.0 liters"."""
    value = float(number)
    if not math.isfinite(value):
        raise BadValue(FeedErrorCode.INVALID_NUMBER, "The number is out of range.")
    return int(value) if value.is_integer() and abs(value) < EXACT_INTEGERS else value


def _parse_list(raw: list[object]) -> list[str]:
    if len(raw) > MAX_LIST_VALUES:
        raise BadValue(
            FeedErrorCode.TOO_MANY_VALUES,
            f"The list has {len(raw):,} values; {MAX_LIST_VALUES} are allowed.",
        )
    return [text for value in raw if (text := parse_limited(value, MAX_TEXT_CHARS))]


def _parse_pairs(raw: object, *, defaults: FeedDefaults) -> list[tuple[str, object]]:
    """Name and raw value of each attribute in an object or in "a=b,c=d"; empty values left out."""
    if isinstance(raw, str) and raw.lstrip().startswith("{"):
        raw = parse_json(raw)
    if isinstance(raw, dict):
        pairs = [(parse_text(name), value) for name, value in raw.items() if value is not None]
    else:
        pairs = list(_split_pairs(parse_lines(raw), defaults.pair_separator))
    if any(len(name) > MAX_ATTRIBUTE_NAME_CHARS for name, _ in pairs):
        raise BadValue(
            FeedErrorCode.TOO_LONG,
            f"The name of an attribute has over {MAX_ATTRIBUTE_NAME_CHARS} characters.",
        )
    return pairs


def _split_pairs(text: str, separator: str) -> Iterator[tuple[str, object]]:
    """A piece without "=" continues the value before it: "a=red, blue,b=1" holds two pairs."""
    pairs: list[tuple[str, list[str]]] = []
    for piece in text.split(separator):
        name, equals, value = piece.partition("=")
        if equals and name.strip():
            pairs.append((parse_text(name), [value]))
        elif pairs:
            pairs[-1][1].append(piece)
        elif piece.strip():
            raise BadValue(
                FeedErrorCode.INVALID_ATTRIBUTES,
                "Attributes are written as name=value pairs or as a JSON object.",
            )
    for name, pieces in pairs:
        value = separator.join(pieces)
        several = _VALUES_IN_PAIR in value and separator != _VALUES_IN_PAIR
        yield name, value.split(_VALUES_IN_PAIR) if several else value
