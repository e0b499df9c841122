"""What rows a delimited text file has (CSV, TSV), and where it breaks the rules of quoting.

RFC 4180 with the liberties that exports take: any one-character delimiter, any line end, blank
lines, a "sep=;" line in front, blank cells past the last column.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, Never

from catalog.feeds.options import FeedDefaults, is_delimiter
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedUnreadable
from catalog.feeds.source import MAX_ROW_CHARS, LongLine, Source, read_lines
from catalog.feeds.values import shorten

_DELIMITERS: Final = (",", ";", "\t", "|")
_QUOTED: Final = re.compile(r'"[^"]*"')
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\s*", re.IGNORECASE)

# The limit is one for the whole process and by default 131,072. Rows are cut off at
# MAX_ROW_CHARS before they reach the csv module, so its own limit is put out of the way.
csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_ROW_CHARS))


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row with as many cells as the header. `line` is the 1-based line on which it begins."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    header: list[str]
    rows: Iterator[TableRow | FeedError]


def open_table(source: Source, defaults: FeedDefaults) -> Table:
    """The header, read at once, and the rows, read on demand.

    Raises FeedUnreadable for a file without rows and, then or later, for a quotation mark that
    is never closed. A row that breaks the rules is an error, and the next line a new start.
    """
    lines = _PhysicalLines(read_lines(source, defaults.encoding))
    delimiter = _read_delimiter(lines, defaults)
    records = _read_records(lines, delimiter)
    head = next(records, None)
    if head is None:
        raise FeedUnreadable(FeedErrorCode.EMPTY_FILE, "The file holds blank lines only.")
    if isinstance(head, FeedError):
        raise FeedUnreadable(FeedErrorCode.NO_HEADER, f"The header is broken. {head.message}")
    header = head.cells
    while header and not header[-1].strip():
        header.pop()
    if "\0" in "".join(header):
        raise FeedUnreadable(
            FeedErrorCode.WRONG_ENCODING, "The header holds zero bytes: this is not a text file."
        )
    rows = _fit_to_header(records, len(header))
    first = next(rows, None)
    if first is None:
        raise FeedUnreadable(FeedErrorCode.EMPTY_FILE, "The file has a header and no rows.")
    return Table(header, chain([first], rows))


def sniff_delimiter(line: str) -> str:
    """The delimiter that parts a header line into the most cells; a comma if none does."""
    unquoted = _QUOTED.sub("", line)
    return max(_DELIMITERS, key=unquoted.count)


class _Cut(Exception):
    """Stops csv.reader in the middle of a row."""

    def __init__(self, line: LongLine) -> None:
        super().__init__()
        self.line = line


class _PhysicalLines:
    """Feeds lines to csv.reader and remembers those of the row in hand.

    An iterator that can go on after it has raised, which a generator cannot.
    """

    def __init__(self, lines: Iterator[str | LongLine]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self._size = 0
        self._start = 1
        self.taken: list[str] = []
        self.number = 0
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            line: str | LongLine = self._again.popleft()
        else:
            try:
                line = next(self._lines)
            except StopIteration:
                self.ended = True
                raise
        self.number += 1
        if isinstance(line, LongLine):
            raise _Cut(line)
        self.taken.append(line)
        self._size += len(line)
        if self._size > MAX_ROW_CHARS and len(self.taken) > 1:
            self.refuse_open_quote()
        return line

    def begin_row(self) -> int:
        """Forget the row before; the number of the line on which the next one begins."""
        self.taken.clear()
        self._size = 0
        self._start = self.number + 1
        return self._start

    def put_back(self, keep: int) -> None:
        """Hand out the lines of the row in hand again, but for the first `keep`."""
        self._again.extendleft(reversed(self.taken[keep:]))
        self.number -= len(self.taken) - keep
        del self.taken[keep:]

    def refuse_open_quote(self) -> Never:
        raise FeedUnreadable(
            FeedErrorCode.UNCLOSED_QUOTE,
            f"The row that begins in line {self._start} does not end: a quotation mark is not "
            f"closed within {MAX_ROW_CHARS:,} characters, or the file breaks off.",
        )


def _read_delimiter(lines: _PhysicalLines, defaults: FeedDefaults) -> str:
    """Sniff it from the first line that is not blank, and leave that line to be read again."""
    first = ""
    lines.begin_row()
    try:
        while not first.strip():
            lines.begin_row()
            first = next(lines)
    except StopIteration:
        return ","
    except _Cut:
        raise FeedUnreadable(
            FeedErrorCode.TOO_LARGE_ROW,
            f"The first line has over {MAX_ROW_CHARS:,} characters.",
        ) from None
    separator = _SEPARATOR_LINE.fullmatch(first)
    if separator is not None and is_delimiter(separator[1]):
        return defaults.delimiter or separator[1]
    lines.put_back(0)
    return defaults.delimiter or sniff_delimiter(first)


def _read_records(lines: _PhysicalLines, delimiter: str) -> Iterator[TableRow | FeedError]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        start = lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as broken:
            if lines.ended:
                lines.refuse_open_quote()
            yield _malformed(start, lines, broken)
            # The mark may have been opened by mistake: later lines get a chance of their own.
            lines.put_back(1)
        except _Cut as cut:
            in_quotes = bool(lines.taken)
            if in_quotes == cut.line.balanced:
                lines.refuse_open_quote()
            yield _too_large(start, cut.line)
        else:
            if any(cell and not cell.isspace() for cell in cells):
                yield TableRow(start, cells)


def _malformed(start: int, lines: _PhysicalLines, broken: csv.Error) -> FeedError:
    end = start + len(lines.taken) - 1
    where = f"lines {start} to {end}" if end > start else f"line {start}"
    return FeedError(
        row=start,
        code=FeedErrorCode.MALFORMED_CSV,
        message=f"The quotation marks in {where} do not match ({broken}). A mark inside a "
        "quoted cell is written twice.",
        raw=shorten(lines.taken[0]),
    )


def _too_large(start: int, line: LongLine) -> FeedError:
    return FeedError(
        row=start,
        code=FeedErrorCode.TOO_LARGE_ROW,
        message=f"The row has over {MAX_ROW_CHARS:,} characters.",
        raw=shorten(line.start),
    )


def _fit_to_header(
    records: Iterator[TableRow | FeedError], width: int
) -> Iterator[TableRow | FeedError]:
    for record in records:
        if isinstance(record, TableRow) and len(record.cells) != width:
            extra = record.cells[width:]
            if len(record.cells) < width or any(cell.strip() for cell in extra):
                yield FeedError(
                    row=record.line,
                    code=FeedErrorCode.WRONG_COLUMN_COUNT,
                    message=f"The row has {len(record.cells)} cells; the header has {width}.",
                    raw=shorten(record.cells[0]),
                )
                continue
            del record.cells[width:]
        yield record
