"""One item or offer as a caller wrote it in JSON, made ready for the readers of feeds."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from catalog.feeds.columns import ITEM_FIELDS, FieldSet, parse_target
from catalog.feeds.reading import Cell
from catalog.feeds.rows import FeedError, FeedErrorCode
from catalog.feeds.values import BadValue, shorten
from tenants.input import MAX_FIELDS_NAMED


class RowStatus(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row. `code` and `fields` say what was wrong with a refused one."""

    status: RowStatus
    code: str | None = None
    fields: Mapping[str, str] | None = None


CREATED = RowOutcome(RowStatus.CREATED)
UPDATED = RowOutcome(RowStatus.UPDATED)
UNCHANGED = RowOutcome(RowStatus.UNCHANGED)


def refused(errors: list[FeedError]) -> RowOutcome:
    """The outcome of a row with errors: the code of the first, and a sentence for each field."""
    fields: dict[str, str] = {}
    for error in errors[:MAX_FIELDS_NAMED]:
        fields.setdefault(_name_of(error.field), error.message)
    return RowOutcome(RowStatus.REFUSED, errors[0].code, fields)


def refused_for(field: str, code: FeedErrorCode, message: str) -> RowOutcome:
    return RowOutcome(RowStatus.REFUSED, code, {field: message})


def cells_of(
    row: Any, fields: Collection[str], *, of: FieldSet = ITEM_FIELDS
) -> list[Cell] | RowOutcome:
    """The row's values by field; the refusal of what is no object or has a field of another name.

    `item` is the item's id, as everywhere in the API.
    """
    if not isinstance(row, dict):
        return refused_for("", FeedErrorCode.INVALID_TYPE, "An object is expected.")
    if unknown := sorted(row.keys() - fields):
        return RowOutcome(
            RowStatus.REFUSED,
            FeedErrorCode.UNKNOWN_FIELD,
            {shorten(name, 100): "There is no such field." for name in unknown[:MAX_FIELDS_NAMED]},
        )
    cells: list[Cell] = []
    for name, value in row.items():
        is_own_id = name == "item" and "item" not in of.fields
        target = parse_target(name, "external_id" if is_own_id else name, fields=of)
        try:
            if target is not None:
                cells.append((target, _exact(value)))
        except BadValue as bad:
            return refused_for(name, bad.code, bad.message)
    return cells


def _exact(value: Any) -> object:
    """The value with every number as the decimal that was written: 12.99 is a price, not a float.

    A float shows the digits it was read from as long as there are no more than 15.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadValue(FeedErrorCode.INVALID_NUMBER, "The number is out of range.")
        return Decimal(repr(value))
    if isinstance(value, list):
        return [_exact(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _exact(entry) for name, entry in value.items()}
    return value


def _name_of(field: str) -> str:
    return "item" if field == "external_id" else field
