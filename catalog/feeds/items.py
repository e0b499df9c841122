"""What item a row describes, or what is wrong with it."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from catalog.feeds.attributes import read_attributes
from catalog.feeds.links import parse_address, parse_images
from catalog.feeds.markup import html_to_text
from catalog.feeds.offers import OfferReader
from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import Cell, RowReading
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedItem
from catalog.feeds.values import (
    Availability,
    BadValue,
    check_length,
    parse_availability,
    parse_kind,
    parse_language,
    parse_limited,
    parse_lines,
    parse_stock,
    parse_text,
)

MAX_ID_CHARS: Final = 200
MAX_TITLE_CHARS: Final = 500
MAX_BRAND_CHARS: Final = 200
MAX_DESCRIPTION_CHARS: Final = 50_000
MAX_CATEGORY_LEVELS: Final = 20
MAX_CATEGORY_CHARS: Final = 200
MAX_VARIATIONS: Final = 3_000

_SKU_IN_PAIRS: Final = re.compile(r"(?:^|[|,])\s*sku=([^,|]+)")

_AVAILABLE: Final = Availability(available=True)


class ItemBuilder:
    """Turns rows into items or errors, and remembers the ids it has given out.

    Memory grows by about 70 bytes a row: the 64-bit hashes of the ids. Two different ids share
    one with a chance of 1 in 10^8 over 500,000 rows; the second would be called a duplicate.
    """

    def __init__(self, defaults: FeedDefaults) -> None:
        self._defaults = defaults
        self._offers = OfferReader(defaults)
        self._parse_address = partial(parse_address, base=defaults.address_base)
        self._parse_stock = partial(parse_stock, decimal_comma=defaults.decimal_comma)
        self._parse_variations = partial(parse_variations, separator=defaults.list_separator)
        self._seen: set[int] = set()

    def build(self, row: int, cells: Iterable[Cell]) -> list[FeedItem | FeedError]:
        """One item, or every error of the row. The first good row of an id wins."""
        reading = RowReading(row, cells)
        item = self._read_item(reading)
        if reading.errors:
            return [*reading.errors]
        key = hash(item.external_id)
        if key in self._seen:
            reading.report(
                "external_id", FeedErrorCode.DUPLICATE_ID, "An earlier row of the feed has this id."
            )
            return [*reading.errors]
        self._seen.add(key)
        return [item]

    def _read_item(self, reading: RowReading) -> FeedItem:
        """The item; it counts only if the reading has no errors afterwards."""
        defaults = self._defaults
        external_id = _read_required(reading, "external_id", _parse_id, FeedErrorCode.MISSING_ID)
        reading.external_id = external_id or None
        title = _read_required(reading, "title", _parse_title, FeedErrorCode.MISSING_TITLE)
        kind = reading.read("kind", parse_kind, defaults.kind)
        offer = self._offers.read(reading, kind=kind)
        availability = reading.read("available", parse_availability, _AVAILABLE)
        attributes = read_attributes(reading, defaults)
        none: tuple[str, ...] = ()
        variations = reading.read("variations", self._parse_variations, none)
        if availability.later is not None:
            attributes.setdefault("availability", availability.later)
        return FeedItem(
            external_id=external_id,
            title=title,
            kind=kind,
            description=reading.read("description", _parse_description, ""),
            brand=reading.read("brand", _parse_brand, ""),
            category_path=_read_category_path(reading, defaults),
            attributes=attributes,
            images=_read_images(reading, defaults),
            address=reading.read("address", self._parse_address, ""),
            language=reading.read("language", parse_language, defaults.language),
            # What stands for its variants is sold as one of them only.
            available=availability.available and not variations,
            group_id=reading.read("group_id", _parse_id, "")
            or (external_id if variations else None),
            variations=variations,
            price=offer.price,
            sale_price=offer.sale_price,
            currency=offer.currency,
            cost=offer.cost,
            stock=reading.read("stock", self._parse_stock, None),
            row=reading.row,
        )


def _read_required(
    reading: RowReading, field: str, parse: Callable[[object], str], missing: FeedErrorCode
) -> str:
    text = reading.read(field, parse, "")
    if not text and (not reading.errors or reading.errors[-1].field != field):
        name = field.removeprefix("external_")
        reading.report(field, missing, f"The row has no {name}.")
    return text


def parse_variations(raw: object, *, separator: str) -> tuple[str, ...]:
    """External ids of variants: a list, or text as Magento writes it
    ("sku=A-S,size=S|sku=A-M,size=M") or with separators ("A-S,A-M")."""
    if isinstance(raw, list):
        parts = [parse_text(part) for part in raw]
    else:
        text = parse_lines(raw)
        parts = (
            _SKU_IN_PAIRS.findall(text)
            if "sku=" in text
            else re.split(rf"[|\n{re.escape(separator)}]", text)
        )
    ids = [check_length(part.strip(), MAX_ID_CHARS) for part in parts if part.strip()]
    if len(ids) > MAX_VARIATIONS:
        raise BadValue(
            FeedErrorCode.TOO_MANY_VALUES,
            f"There are {len(ids):,} variants; {MAX_VARIATIONS:,} are allowed.",
        )
    return tuple(dict.fromkeys(ids))


def _parse_id(raw: object) -> str:
    return parse_limited(raw, MAX_ID_CHARS)


def _parse_title(raw: object) -> str:
    return parse_limited(raw, MAX_TITLE_CHARS)


def _parse_brand(raw: object) -> str:
    return parse_limited(raw, MAX_BRAND_CHARS)


def _parse_description(raw: object) -> str:
    return check_length(html_to_text(parse_lines(raw)), MAX_DESCRIPTION_CHARS)


def _read_category_path(reading: RowReading, defaults: FeedDefaults) -> tuple[str, ...]:
    """The levels of every column that fills the path, one after the other."""
    raws = reading.parts("category_path")
    if not raws:
        return ()
    parse = partial(_parse_levels, defaults=defaults)
    none: list[str] = []
    levels = [level for raw in raws for level in reading.attempt("category_path", raw, parse, none)]
    if len(levels) > MAX_CATEGORY_LEVELS:
        reading.report(
            "category_path",
            FeedErrorCode.TOO_MANY_VALUES,
            f"The path has {len(levels)} levels; {MAX_CATEGORY_LEVELS} are allowed.",
            raws,
        )
    return tuple(levels)


def _parse_levels(raw: object, defaults: FeedDefaults) -> list[str]:
    if isinstance(raw, list):
        return [level for part in raw for level in _parse_levels(part, defaults)]
    text = parse_lines(raw)
    apart = defaults.category_list_separator
    paths = [_split_path(path, defaults) for path in (text.split(apart) if apart else [text])]
    return [check_length(level, MAX_CATEGORY_CHARS) for level in max(paths, key=len)]


def _split_path(path: str, defaults: FeedDefaults) -> list[str]:
    # " > " parts "a>b" too; a separator of whitespace alone is taken as it is.
    separator = defaults.category_separator.strip() or defaults.category_separator
    levels = [level for part in path.split(separator) if (level := parse_text(part))]
    return levels[1:] if levels and levels[0] == defaults.category_root else levels


def _read_images(reading: RowReading, defaults: FeedDefaults) -> tuple[str, ...]:
    raws = reading.parts("images")
    if not raws:
        return ()
    parse = partial(parse_images, base=defaults.image_base, list_separator=defaults.list_separator)
    none: list[str] = []
    found = (image for raw in raws for image in reading.attempt("images", raw, parse, none))
    return tuple(dict.fromkeys(found))
