"""How far the reading of one row has come: its raw values by field, and what was wrong so far."""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from catalog.feeds.columns import JOINED_FIELDS, Target
from catalog.feeds.rows import FeedError, FeedErrorCode
from catalog.feeds.values import BadValue, shorten

Cell = tuple[Target, object]

Row = tuple[int, list[Cell]]
"""The number of a row, as its errors name it, and its cells in order of preference."""

T = TypeVar("T")

MAX_FIELD_CHARS: Final = 100


class RowReading:
    """One row on its way to an item. Collects its errors instead of stopping at the first.

    Cells come in order of preference: of several that fill one field the first that is not
    empty counts, unless the field joins them.
    """

    def __init__(self, row: int, cells: Iterable[Cell]) -> None:
        self.row = row
        self.errors: list[FeedError] = []
        self.attribute_cells: list[Cell] = []
        self.external_id: str | None = None
        self._single: dict[str, object] = {}
        self._joined: dict[str, list[object]] = {}
        for target, raw in cells:
            if _is_empty(raw):
                continue
            if target.field == "attribute":
                self.attribute_cells.append((target, raw))
            elif target.field in JOINED_FIELDS:
                self._joined.setdefault(target.field, []).append(raw)
            else:
                self._single.setdefault(target.field, raw)

    def has(self, field: str) -> bool:
        return field in self._single

    def parts(self, field: str) -> list[object]:
        """The raw values of a joined field."""
        return self._joined.get(field, [])

    def read(self, field: str, parse: Callable[[object], T], otherwise: T) -> T:
        """The field parsed; `otherwise` if it is empty, or broken and reported."""
        raw = self._single.get(field)
        return otherwise if raw is None else self.attempt(field, raw, parse, otherwise)

    def attempt(self, field: str, raw: object, parse: Callable[[object], T], otherwise: T) -> T:
        """`raw` parsed; if it is broken, the error goes under the name of `field`."""
        try:
            return parse(raw)
        except BadValue as bad:
            self.report(field, bad.code, bad.message, raw)
            return otherwise

    def report(self, field: str, code: FeedErrorCode, message: str, raw: object = None) -> None:
        self.errors.append(
            FeedError(
                row=self.row,
                code=code,
                message=message,
                external_id=self.external_id,
                field=field[:MAX_FIELD_CHARS],
                raw=shorten(self._single.get(field) if raw is None else raw),
            )
        )


def _is_empty(raw: object) -> bool:
    if isinstance(raw, str):
        return not raw or raw.isspace()
    return raw is None or raw in ([], {})
