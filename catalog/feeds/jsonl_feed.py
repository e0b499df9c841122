"""Which items a JSON Lines feed holds: one object a line (https://jsonlines.org)."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain

from catalog.feeds.columns import ColumnMap
from catalog.feeds.items import ItemBuilder
from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import Cell
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedItem, FeedUnreadable
from catalog.feeds.source import MAX_ROW_CHARS, LongLine, Source, read_lines
from catalog.feeds.strict_json import parse_json
from catalog.feeds.values import BadValue, shorten


def read_jsonl(
    source: Source, columns: Mapping[str, str] | None, defaults: FeedDefaults
) -> Iterator[FeedItem | FeedError]:
    """Items of a file with one JSON object a line, its keys mapped like the columns of a table.

    Blank lines are skipped. Raises FeedUnreadable(not_json_lines), before it returns, if the
    first line does not begin an object, as in a file that is one large array.
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
    find = lru_cache(maxsize=4096)(ColumnMap(columns).find)

    def read_cells(text: str) -> list[Cell]:
        parsed = parse_json(text)
        if not isinstance(parsed, dict):
            raise BadValue(FeedErrorCode.INVALID_JSON, "The line does not hold a JSON object.")
        cells = [(target, raw) for key, raw in parsed.items() if (target := find(key)) is not None]
        cells.sort(key=lambda cell: cell[0].rank)
        return cells

    def read_rows() -> Iterator[FeedItem | FeedError]:
        builder = ItemBuilder(defaults)
        for number, line in chain([first], lines):
            if isinstance(line, LongLine):
                yield _too_large(number, line)
                continue
            try:
                cells = read_cells(line)
            except BadValue as bad:
                yield FeedError(row=number, code=bad.code, message=bad.message, raw=shorten(line))
            else:
                yield from builder.build(number, cells)

    return read_rows()


def _too_large(number: int, line: LongLine) -> FeedError:
    return FeedError(
        row=number,
        code=FeedErrorCode.TOO_LARGE_ROW,
        message=f"The line has over {MAX_ROW_CHARS:,} characters.",
        raw=shorten(line.start),
    )
