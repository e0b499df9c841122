"""How a filter is written in an address: `price:..100`, `color:black|navy`, `-brand:Acme`."""

import re
from decimal import Decimal, InvalidOperation

from catalog.search.values import ATTRIBUTE, Filter

FIELDS = frozenset({"price", "availability", "category", "brand", "kind"})
"""Fields of an item itself; any other name is that of an attribute."""

MAX_LENGTH = 500
MAX_DIGITS = 15

_PART = re.compile(r"\\(.)|([:|])|([^\\:|]+|\\)")
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)?\.\.(-?\d+(?:\.\d+)?)?")


class FilterSyntaxError(ValueError):
    """The text is no filter; the message says what is wrong with it."""


def parse_filter(text: str) -> Filter:
    """`[-]field:value`, `field:one|other` or `field:from..to`, either end open.

    A backslash takes the meaning from `:`, `|` and itself. Raises FilterSyntaxError.
    """
    if len(text) > MAX_LENGTH:
        raise FilterSyntaxError(f"At most {MAX_LENGTH} characters.")
    negated = text.startswith("-")
    name, values = _split(text[negated:])
    name = name.strip()
    if not name or not values:
        raise FilterSyntaxError("A field, a colon and a value, such as color:black.")
    field = name if name in FIELDS or name.startswith(ATTRIBUTE) else ATTRIBUTE + name
    bounds = _RANGE.fullmatch(values[0]) if len(values) == 1 else None
    if bounds and bounds.group() != "..":
        at_least, at_most = map(_number, bounds.groups())
        if at_least is not None and at_most is not None and at_least > at_most:
            raise FilterSyntaxError("The range ends before it begins.")
        return Filter(field, at_least=at_least, at_most=at_most, negated=negated)
    if field == "price":
        raise FilterSyntaxError("A range is needed, such as price:10..50.")
    return Filter(field, values=tuple(values), negated=negated)


def write_filter(condition: Filter) -> str:
    """The filter as `parse_filter` reads it; the same text for equal filters."""
    name = condition.field
    short = name.removeprefix(ATTRIBUTE)
    if short not in FIELDS and not short.startswith(ATTRIBUTE):
        name = short
    sign = "-" if condition.negated else ""
    if condition.at_least is not None or condition.at_most is not None:
        ends = [
            "" if end is None else f"{end.normalize():f}"
            for end in (condition.at_least, condition.at_most)
        ]
        return f"{sign}{_escaped(name)}:{ends[0]}..{ends[1]}"
    return f"{sign}{_escaped(name)}:{'|'.join(map(_escaped, condition.values))}"


def _split(text: str) -> tuple[str, list[str]]:
    """The field's name, and the values."""
    name: str | None = None
    parts = [""]
    for escaped, sign, plain in _PART.findall(text):
        if sign == ":" and name is None:
            name, parts = parts[0], [""]
        elif sign == "|" and name is not None:
            parts.append("")
        else:
            parts[-1] += escaped or sign or plain
    values = [part.strip() for part in parts if part.strip()]
    return ("", []) if name is None else (name, values)


def _number(text: str | None) -> Decimal | None:
    if text is None:
        return None
    if len(text) > MAX_DIGITS:
        raise FilterSyntaxError("That number is too large.")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise FilterSyntaxError("That is no number.") from error


def _escaped(text: str) -> str:
    return re.sub(r"([\\:|])", r"\\\1", text)
