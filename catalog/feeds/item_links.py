"""Which items a feed links to which others, or what is wrong with its rows."""

import re
from typing import Final

from catalog.feeds.columns import FieldSet, known_names
from catalog.feeds.items import MAX_ID_CHARS
from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import Cell, RowReading
from catalog.feeds.rows import LINK_KINDS, FeedError, FeedErrorCode, FeedLinks
from catalog.feeds.values import BadValue, parse_limited, parse_lines, parse_text, shorten

MAX_LINKS: Final = 500

_NAMES: Final = {
    "item": "item item_id sku id product_id",
    "linked": "linked linked_sku linked_skus linked_id linked_ids linked_item linked_items "
    "related_skus crosssell_skus upsell_skus",
    "kind": "kind link_kind relation link_type",
}
_FIELDS: Final = FieldSet(frozenset(_NAMES), ("item", "linked"), {})
LINK_FIELDS: Final = FieldSet(_FIELDS.fields, _FIELDS.required, known_names(_NAMES, _FIELDS))

_BETWEEN: Final = re.compile(r"[\n,;|]")
_SPELLINGS: Final = {
    "crosssell": "cross_sell",
    "upsell": "up_sell",
    "crosssells": "cross_sell",
    "upsells": "up_sell",
}


class LinkBuilder:
    """Turns rows into links or errors. Of two rows about one item and kind the first wins."""

    def __init__(self, defaults: FeedDefaults) -> None:
        self._defaults = defaults
        self._seen: set[tuple[int, str]] = set()

    def build(self, row: int, cells: list[Cell]) -> list[FeedLinks | FeedError]:
        reading = RowReading(row, cells)
        item = reading.read("item", _parse_id, "")
        reading.external_id = item or None
        kind = reading.read("kind", parse_link_kind, self._defaults.link_kind)
        none: list[str] = []
        linked = [
            other
            for raw in reading.parts("linked")
            for other in reading.attempt("linked", raw, _parse_ids, none)
        ]
        if not reading.has("item"):
            reading.report("item", FeedErrorCode.MISSING_ID, "The row names no item.")
        elif item in linked:
            reading.report(
                "linked", FeedErrorCode.INVALID_LINK, "An item cannot be linked to itself."
            )
        elif (hash(item), kind) in self._seen:
            reading.report(
                "item", FeedErrorCode.DUPLICATE_ID, "An earlier row has these links of the item."
            )
        if reading.errors:
            return [*reading.errors]
        self._seen.add((hash(item), kind))
        others = tuple(dict.fromkeys(linked))
        return [FeedLinks(item=item, kind=kind, linked=others, row=row)]


def parse_link_kind(raw: object) -> str:
    """One of LINK_KINDS, however its words are joined: "Cross-sell" is cross_sell."""
    word = re.sub(r"[\W_]+", "", parse_text(raw).lower())
    kind = _SPELLINGS.get(word, word)
    if kind not in LINK_KINDS:
        raise BadValue(
            FeedErrorCode.INVALID_KIND, f"“{shorten(raw)}” is not one of {', '.join(LINK_KINDS)}."
        )
    return kind


def _parse_id(raw: object) -> str:
    return parse_limited(raw, MAX_ID_CHARS)


def _parse_ids(raw: object) -> list[str]:
    parts = raw if isinstance(raw, list) else _BETWEEN.split(parse_lines(raw))
    if len(parts) > MAX_LINKS:
        raise BadValue(
            FeedErrorCode.TOO_MANY_VALUES, f"There are {len(parts)} links; {MAX_LINKS} are allowed."
        )
    return [other for part in parts if (other := _parse_id(part))]
