"""Which rows a YAML list of objects holds, read in a stream.

YAML 1.1 as libyaml parses it (https://yaml.org/spec/1.1/). Plain scalars stay text, so that "1.10"
keeps its zero and "no" its letters.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Final

import yaml

from catalog.feeds.columns import ColumnMap
from catalog.feeds.jsonl_feed import cells_of_object
from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import Row
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedUnreadable
from catalog.feeds.source import MAX_ROW_CHARS, Source, decode_text, encoding_of
from catalog.feeds.values import shorten

MAX_DEPTH: Final = 16
NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})

Events = Iterator[yaml.Event]


def read_yaml(
    source: Source, columns: ColumnMap, defaults: FeedDefaults
) -> Iterator[Row | FeedError]:
    """The rows of a document that is a list of objects; a row is numbered by its first line.

    Raises FeedUnreadable(broken_document), before it returns or later, for what is no such
    document, and for anchors and aliases: by these a small file unfolds into a huge one.
    """
    events = _events(source, defaults)
    first = next(e for e in events if not isinstance(e, yaml.StreamStartEvent))
    if isinstance(first, yaml.StreamEndEvent):
        raise FeedUnreadable(FeedErrorCode.EMPTY_FILE, "The file holds no document.")
    first = next(events)
    if not isinstance(first, yaml.SequenceStartEvent):
        raise _broken("The document is not a list of objects.", first)
    opening = next(events)
    if isinstance(opening, yaml.SequenceEndEvent):
        raise FeedUnreadable(FeedErrorCode.EMPTY_FILE, "The list is empty.")
    find = lru_cache(maxsize=4096)(columns.find)

    def read_rows() -> Iterator[Row | FeedError]:
        for event in chain([opening], events):
            if isinstance(event, yaml.SequenceEndEvent):
                break
            line = _line(event)
            parsed = _build(event, _within_limit(events, event))
            if isinstance(parsed, dict):
                yield line, cells_of_object(parsed, find)
            else:
                yield _no_object(line, parsed)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                raise _broken("The file holds more than one document.", event)

    return read_rows()


def _no_object(line: int, parsed: object) -> FeedError:
    return FeedError(
        row=line,
        code=FeedErrorCode.INVALID_TYPE,
        message="An object is expected.",
        raw=shorten(parsed),
    )


def _events(source: Source, defaults: FeedDefaults) -> Events:
    """The parser's events; what it cannot parse refuses the file."""
    text = _Text(source, defaults.encoding)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise _broken("Anchors and aliases are not read.", event)
            text.since_event = 0
            yield event
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" in line {mark.line + 1}"
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        raise FeedUnreadable(
            FeedErrorCode.BROKEN_DOCUMENT, f"The document is broken{where}: {problem}."
        ) from error


class _Text:
    """The source as libyaml reads it: by `read(size)`, in UTF-8.

    libyaml holds a scalar in memory until it ends, so one that does not end is stopped here.
    """

    def __init__(self, source: Source, encoding: str | None) -> None:
        self._pieces = decode_text(source, encoding_of(source, encoding))
        self._ahead = b""
        self.since_event = 0

    def read(self, size: int = 4096, /) -> bytes:
        while len(self._ahead) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._ahead += piece.encode()
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        self.since_event += len(taken)
        if self.since_event > 8 * MAX_ROW_CHARS:
            raise _too_large()
        return taken


def _within_limit(events: Events, first: yaml.Event) -> Events:
    """The events of one row: of no more text than a row may have."""
    for event in events:
        if _place(event.end_mark) - _place(first.start_mark) > MAX_ROW_CHARS:
            raise _too_large()
        yield event


def _build(event: yaml.Event, events: Events, depth: int = 0) -> object:
    if depth > MAX_DEPTH:
        raise _broken(f"It is nested over {MAX_DEPTH} deep.", event)
    if isinstance(event, yaml.ScalarEvent):
        is_plain = not event.style
        return None if is_plain and event.value in NOTHING else event.value
    if isinstance(event, yaml.SequenceStartEvent):
        listed: list[object] = []
        for inner in events:
            if isinstance(inner, yaml.SequenceEndEvent):
                break
            listed.append(_build(inner, events, depth + 1))
        return listed
    mapped: dict[str, object] = {}
    for inner in events:
        if isinstance(inner, yaml.MappingEndEvent):
            break
        if not isinstance(inner, yaml.ScalarEvent):
            raise _broken("A key is not text.", inner)
        if inner.value in mapped:
            raise _broken(f"The key “{shorten(inner.value)}” occurs twice in an object.", inner)
        mapped[inner.value] = _build(next(events), events, depth + 1)
    return mapped


def _too_large() -> FeedUnreadable:
    return FeedUnreadable(
        FeedErrorCode.TOO_LARGE_ROW,
        f"An object of the document has over {MAX_ROW_CHARS:,} characters.",
    )


def _broken(message: str, event: yaml.Event) -> FeedUnreadable:
    return FeedUnreadable(FeedErrorCode.BROKEN_DOCUMENT, f"Line {_line(event)}: {message}")


def _line(event: yaml.Event) -> int:
    """The 1-based line on which an event begins."""
    return 1 if event.start_mark is None else event.start_mark.line + 1


def _place(mark: object) -> int:
    """How many characters stand before a mark of the parser."""
    return int(getattr(mark, "index", 0))
