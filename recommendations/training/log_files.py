"""Reading an event log that somebody else wrote: which columns, which numbers, which rows."""

import csv
import gzip
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from recommendations.training.sequences import IntArray

CHUNK_ROWS = 1_000_000
DELIMITERS = ("\t", "::", ",", ";", "|", " ")
USUAL = {
    "user": re.compile("(user|shopper|customer|visitor|session|reviewer|member)(id)?|uid"),
    "item": re.compile(
        "(item|product|movie|article|track|business|book)(id)?|iid|(parent)?asin|sku|stockcode|isbn"
    ),
    "time": re.compile(
        "(event|review|unix|unixreview)?time|timestamp|ts|at|(invoice)?date|datetime"
        "|(occurred|created)(at)?|tdat"
    ),
    "order": re.compile("order|position|rank|index|step|seq(uence)?"),
}
"""Usual names of columns, in lower case and without signs; RecBole's `:token` is left out."""

MILLISECONDS, MICROSECONDS, NANOSECONDS = 1e11, 1e14, 1e17
"""From here on, seconds since 1970 would be after the year 5000: it is a finer unit."""


class UnreadableLogError(Exception):
    """The file is not a log; the message says what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class EventFile:
    """A log as codes. `at` rises with time; it is seconds since 1970 where `dated`.

    `users` and `items` are the names of the codes, in sorted order. `left_out` counts rows
    without a user, an item or a readable time.
    """

    user: IntArray
    item: IntArray
    at: IntArray
    users: list[str]
    items: list[str]
    dated: bool
    left_out: int


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns, or their numbers from 1; empty: the usual names are looked for."""

    user: str = ""
    item: str = ""
    time: str = ""
    order: str = ""

    @classmethod
    def in_order(cls, names: list[str]) -> "Columns":
        """The columns of a file without a header, by what each has; other names are passed over.

        Raises UnreadableLogError when user, item or time (or order) is missing or there twice.
        """
        names = [name.strip() for name in names]
        clocks = names.count("time") + names.count("order")
        if (names.count("user"), names.count("item"), clocks) != (1, 1, 1):
            raise UnreadableLogError(
                f"Columns {','.join(names)}: user, item and one of time and order are needed, once."
            )
        known = ("user", "item", "time", "order")
        return cls(**{name: str(names.index(name) + 1) for name in known if name in names})

    @property
    def numbered(self) -> bool:
        """Whether all that are given are numbers: then the file has no header."""
        given = [name for name in (self.user, self.item, self.time, self.order) if name]
        return bool(given) and all(name.isdigit() for name in given)


def read_events(path: Path, columns: Columns, *, delimiter: str = "") -> EventFile:
    """Every readable row of a delimited file, gzipped or not. Raises UnreadableLogError."""
    with _opened(path) as stream:
        try:
            first = stream.readline()
        except (UnicodeDecodeError, OSError, EOFError) as error:
            raise UnreadableLogError(f"{path} is not a text file: {error}.") from error
        if not first.strip():
            raise UnreadableLogError(f"{path} is empty.")
        delimiter = delimiter or _delimiter(first)
        header = next(_rows([first], delimiter))
        places, dated = _places(header, columns)
        rows = _rows(stream, delimiter)
        start = [header] if columns.numbered else []
        try:
            return _coded(_parts(start, rows, places), dated=dated)
        except (UnicodeDecodeError, OSError, EOFError, csv.Error) as error:
            raise UnreadableLogError(f"{path} breaks off: {error}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if not path.is_file():
        raise UnreadableLogError(f"There is no file {path}.")
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        unpacked: Any = gzip.GzipFile(fileobj=raw) if packed else raw
        yield io.TextIOWrapper(unpacked, encoding="utf-8-sig", newline="")


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """The fields of each line. With a delimiter of several characters nothing is quoted."""
    if len(delimiter) == 1:
        return csv.reader(lines, delimiter=delimiter)
    return (line.rstrip("\r\n").split(delimiter) for line in lines if line.strip())


def _delimiter(line: str) -> str:
    for delimiter in DELIMITERS:
        if delimiter in line.strip():
            return delimiter
    raise UnreadableLogError(
        "The first line has no tab, comma, semicolon, bar or blank: say --delimiter."
    )


def _places(header: list[str], columns: Columns) -> tuple[list[int], bool]:
    """Where user, item and time or order are, and whether it is a time."""
    clock = "order" if columns.order and not columns.time else "time"
    user, item = _place(header, columns, "user"), _place(header, columns, "item")
    at = _place(header, columns, clock)
    if at is None and not columns.time and not columns.order:
        clock, at = "order", _place(header, columns, "order")
    missing = [
        name for name, place in (("user", user), ("item", item), ("time", at)) if place is None
    ]
    if user is None or item is None or at is None:
        raise UnreadableLogError(
            f"No column for {' and '.join(missing)} among {', '.join(header)}: name it with"
            f" {' and '.join(f'--{name}' for name in missing)} (or --order)."
        )
    return [user, item, at], clock == "time"


def _place(header: list[str], columns: Columns, what: str) -> int | None:
    name: str = getattr(columns, what)
    if columns.numbered:
        if not name:
            return None
        if not 1 <= int(name) <= len(header):
            raise UnreadableLogError(f"There is no column {name}: a row has {len(header)}.")
        return int(name) - 1
    if name:
        if name not in header:
            raise UnreadableLogError(f"There is no column {name!r} among {', '.join(header)}.")
        return header.index(name)
    for place, title in enumerate(header):
        if USUAL[what].fullmatch(re.sub(r"[^a-z]", "", title.split(":")[0].lower())):
            return place
    return None


Part = tuple[list[str], list[str], list[str], int]


def _parts(start: list[list[str]], rows: Iterator[list[str]], places: list[int]) -> Iterator[Part]:
    """Users, items and times of a million rows at a time, and how many rows were too short."""
    user, item, at = places
    most = max(places)
    users: list[str] = []
    items: list[str] = []
    times: list[str] = []
    short = 0
    for source in (iter(start), rows):
        for row in source:
            if len(row) <= most or not row[user] or not row[item]:
                short += bool(row)
                continue
            users.append(row[user])
            items.append(row[item])
            times.append(row[at])
            if len(users) == CHUNK_ROWS:
                yield users, items, times, short
                users, items, times, short = [], [], [], 0
    yield users, items, times, short


def _coded(parts: Iterator[Part], *, dated: bool) -> EventFile:
    user_codes: dict[str, int] = {}
    item_codes: dict[str, int] = {}
    user_parts, item_parts, time_parts = [], [], []
    left_out = 0
    for users, items, times, short in parts:
        at = _numbers(times)
        readable = np.isfinite(at)
        user = _codes(users, user_codes)
        item = _codes(items, item_codes)
        user_parts.append(user[readable])
        item_parts.append(item[readable])
        time_parts.append(at[readable])
        left_out += short + int((~readable).sum())
    at = np.concatenate(time_parts)
    if not len(at):
        raise UnreadableLogError(
            f"No row could be read: {left_out} have no user, no item or no readable time."
        )
    user, users = _sorted(np.concatenate(user_parts), user_codes)
    item, items = _sorted(np.concatenate(item_parts), item_codes)
    return EventFile(
        user=user,
        item=item,
        at=_seconds(at) if dated else _ranks(at),
        users=users,
        items=items,
        dated=dated,
        left_out=left_out,
    )


def _codes(names: list[str], codes: dict[str, int]) -> IntArray:
    return np.fromiter(
        (codes.setdefault(name, len(codes)) for name in names), dtype=np.int64, count=len(names)
    )


def _sorted(codes: IntArray, names: dict[str, int]) -> tuple[IntArray, list[str]]:
    """The codes by the sorted names that occur, so that the order of the rows means nothing."""
    found = np.bincount(codes, minlength=len(names)) > 0
    occurring = sorted(name for name, code in names.items() if found[code])
    new = np.zeros(len(names), dtype=np.int64)
    new[[names[name] for name in occurring]] = np.arange(len(occurring))
    return new[codes], occurring


def _numbers(texts: list[str]) -> npt.NDArray[np.float64]:
    """Numbers, or dates as seconds since 1970 (UTC where they say nothing); nan if neither."""
    try:
        return np.array(texts, dtype=np.float64)
    except ValueError:
        known: dict[str, float] = {}
        for text in set(texts):
            known[text] = _number(text)
        return np.array([known[text] for text in texts])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return float("nan")
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _seconds(at: npt.NDArray[np.float64]) -> IntArray:
    """Whole seconds; milliseconds, microseconds and nanoseconds since 1970 are known by size."""
    largest = float(np.abs(at).max())
    for least, unit in ((NANOSECONDS, 1e9), (MICROSECONDS, 1e6), (MILLISECONDS, 1e3)):
        if largest >= least:
            return (at / unit).astype(np.int64)
    return np.floor(at).astype(np.int64)


def _ranks(at: npt.NDArray[np.float64]) -> IntArray:
    return np.unique(at, return_inverse=True)[1].astype(np.int64)
