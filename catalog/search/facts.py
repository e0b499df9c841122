"""What an item's row says to filters and facets: its values as text, its numbers, its codes."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

CODE_ATTRIBUTES: Final = frozenset(
    {"sku", "ean", "gtin", "gtin8", "gtin12", "gtin13", "gtin14", "upc", "isbn", "mpn", "asin"}
)
"""Attributes that name one thing exactly. Compared without case, spaces, `-` and `_`."""

KIND_ATTRIBUTES: Final = frozenset(
    {"type", "kind", "devicetype", "itemtype", "producttype", "productgroup", "productcategory"}
    | {"art", "artikelart", "produktart", "produktgruppe", "produkttyp", "warengruppe"}
    | {"typedarticle", "typedeproduit", "tipo", "tipodeproducto", "tipodeartículo"}
)
"""Attributes that say what a thing is, as a category does, in the languages of the lexicon."""

PATH_SEPARATOR: Final = " > "

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,10})?")
_NOT_IN_NAME = re.compile(r"[\W_]+")
_NOT_IN_CODE = re.compile(r"[^0-9a-z]+")


def texts_of(value: Any) -> tuple[str, ...]:
    """An attribute's values as a shopper reads them: one, or each of a list."""
    values = value if isinstance(value, list) else [value]
    return tuple(text for text in map(_text, values) if text)


def numbers_of(value: Any) -> tuple[float, ...]:
    """The numbers among an attribute's values; text that is nothing but a number is one."""
    values = value if isinstance(value, list) else [value]
    return tuple(number for number in map(_number, values) if number is not None)


def category_names(path: Sequence[str]) -> Iterator[str]:
    """All that a filter may call the categories of a path: each name, and each path to it."""
    for depth, name in enumerate(path):
        yield name
        if depth:
            yield PATH_SEPARATOR.join(path[: depth + 1])


def codes_of(external_id: str, attributes: Mapping[str, Any]) -> set[str]:
    """The codes that lead to an item, in the form of `as_code`."""
    codes = {as_code(external_id)}
    for name, value in attributes.items():
        if names_a_code(name):
            codes.update(as_code(text) for text in texts_of(value))
    return codes - {""}


def names_a_code(attribute: str) -> bool:
    """Whether the values of an attribute of this name are codes, as those of `GTIN-13` are."""
    return _NOT_IN_CODE.sub("", attribute.casefold()) in CODE_ATTRIBUTES


def kinds_of(category_path: Sequence[str], attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """What the item is, rather than what it has or what it is for: its categories, and its type
    where the catalog says that in an attribute."""
    types = (attributes[name] for name in attributes if names_a_kind(name))
    return (*category_path, *(text for value in types for text in texts_of(value)))


def names_a_kind(attribute: str) -> bool:
    """Whether the values of an attribute of this name say what a thing is: `Product type`."""
    return _NOT_IN_NAME.sub("", attribute.casefold()) in KIND_ATTRIBUTES


def as_code(text: str) -> str:
    """`AB-12 34` and `ab1234` are one code. An EAN with and without leading zeros is, too."""
    code = _NOT_IN_CODE.sub("", text.casefold())
    return code.lstrip("0") if code.isdecimal() else code


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return format(Decimal(repr(value)), "f") if math.isfinite(value) else ""
        case str():
            return value.strip()
        case _:
            return ""


def _number(value: Any) -> float | None:
    match value:
        case bool():
            return None
        case int() | float():
            return float(value) if math.isfinite(value) else None
        case str() if _NUMBER.fullmatch(value.strip()):
            try:
                return float(Decimal(value.strip()))
            except InvalidOperation:
                return None
        case _:
            return None
