"""Which rows a JSON Lines feed holds: one object a line (https://jsonlines.org)."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import chain

from catalog.feeds.columns import ColumnMap, Target
from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import Cell, Row
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedUnreadable
from catalog.feeds.source import MAX_ROW_CHARS, LongLine, Source, read_lines
from catalog.feeds.strict_json import parse_json
from catalog.feeds.values import BadValue, shorten

FindTarget = Callable[[str], Target | None]


def read_json_lines(
    source: Source, columns: ColumnMap, defaults: FeedDefaults
) -> Iterator[Row | FeedError]:
    """The rows of a file with one JSON object a line; blank lines are skipped.

    Raises FeedUnreadable(not_json_lines), before it returns, if the first line does not begin an
    object, as in a file that is one large array.
    """
    lines = (
        (number, line)
        for number, line in enumerate(read_lines(source, defaults.encoding), start=1)
        if isinstance(line, LongLine) or not line.isspace()
    )
    first = next(lines, None)
    if first is None:
        raise FeedUnreadable(FeedErrorCode.EMPTY_FILE, "The file holds blank lines only.")
    start = first[1].start if isinstance(first[1], LongLine) else first[1]
    if not start.lstrip().startswith("{"):
        raise FeedUnreadable(
            FeedErrorCode.NOT_JSON_LINES,
            "The first line does not begin with “{”. Write one JSON object a line, without an "
            "array around them.",
        )
    find = lru_cache(maxsize=4096)(columns.find)
    return (_read_line(number, line, find) for number, line in chain([first], lines))


def _read_line(number: int, line: str | LongLine, find: FindTarget) -> Row | FeedError:
    if isinstance(line, LongLine):
        return _too_large(number, line)
    try:
        parsed = _parse_object(line)
    except BadValue as bad:
        return FeedError(row=number, code=bad.code, message=bad.message, raw=shorten(line))
    return number, cells_of_object(parsed, find)


def _parse_object(line: str) -> dict[str, object]:
    parsed = parse_json(line)
    if not isinstance(parsed, dict):
        raise BadValue(FeedErrorCode.INVALID_JSON, "The line does not hold a JSON object.")
    return parsed


def cells_of_object(parsed: Mapping[str, object], find: FindTarget) -> list[Cell]:
    """What the keys of an object fill, in order of preference."""
    cells = [(target, raw) for key, raw in parsed.items() if (target := find(key)) is not None]
    cells.sort(key=lambda cell: cell[0].rank)
    return cells


def _too_large(number: int, line: LongLine) -> FeedError:
    return FeedError(
        row=number,
        code=FeedErrorCode.TOO_LARGE_ROW,
        message=f"The line has over {MAX_ROW_CHARS:,} characters.",
        raw=shorten(line.start),
    )
