"""Which items a Google Merchant XML feed holds (RSS 2.0, RSS 1.0 or Atom, with the g: namespace).

Format: https://support.google.com/merchants/answer/7052112
"""

import codecs
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import errors

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from catalog.feeds.columns import ColumnMap, normalize
from catalog.feeds.google_attributes import GOOGLE_COLUMNS, fill_google_fields
from catalog.feeds.items import ItemBuilder
from catalog.feeds.options import FeedDefaults
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedItem, FeedUnreadable
from catalog.feeds.source import MAX_ROW_CHARS, Source, decode_text, encoding_of

_ROOTS: Final = frozenset({"rss", "feed", "rdf"})
_ITEMS: Final = frozenset({"item", "entry"})
_NAMESPACE: Final = "base.google.com/ns/"

# What RSS and Atom call the fields for which an item has no Google element.
_PLAIN_NAMES: Final = {"summary": "description", "content": "description", "encoded": "description"}
# Atom may spell these as inline XHTML, whose text counts as the element's own.
_RICH: Final = frozenset({"title", "description"})

_MAX_DEPTH: Final = 64
# The parser keeps every name it meets, so a file of ever new names would grow without bound.
_MAX_NAMES: Final = 10_000

_ENCODING_ERRORS: Final = frozenset(
    errors.codes[message]
    for message in (
        errors.XML_ERROR_UNKNOWN_ENCODING,
        errors.XML_ERROR_INCORRECT_ENCODING,
        errors.XML_ERROR_PARTIAL_CHAR,
    )
)


def read_google_xml(
    source: Source, columns: Mapping[str, str] | None, defaults: FeedDefaults
) -> Iterator[FeedItem | FeedError]:
    """Items of a feed, numbered from 1 in the order of their elements.

    Before it returns, raises FeedUnreadable if the file is no XML or no feed. While it runs,
    raises it where the XML breaks off or breaks its rules, and at the end if there was no item.
    Document type declarations are refused, and with them every kind of entity bomb.
    """
    column_map = ColumnMap(columns, base=GOOGLE_COLUMNS)
    collector = _ItemCollector()
    steps = _parse(source, collector, defaults.encoding)
    while not collector.root:
        next(steps)
    if collector.root not in _ROOTS:
        raise FeedUnreadable(
            FeedErrorCode.UNKNOWN_FORMAT,
            f"The XML is no RSS or Atom feed: its root element is “{collector.root[:50]}”.",
        )

    def read_rows() -> Iterator[FeedItem | FeedError]:
        builder = ItemBuilder(defaults)
        going_on = True
        while going_on:
            while collector.finished:
                item = collector.finished.popleft()
                if item.is_too_large:
                    yield _too_large(item.number)
                else:
                    cells = fill_google_fields(item.list_attributes(), column_map)
                    yield from builder.build(item.number, cells)
            going_on = next(steps, False)
        if not collector.count:
            raise FeedUnreadable(FeedErrorCode.EMPTY_FILE, "The feed holds no items.")

    return read_rows()


class _ItemElement:
    """The fields of one item element. One that is too large is emptied and goes on as a number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._size = 0
        self._google: list[tuple[str, object]] = []
        self._plain: list[tuple[str, object]] = []

    @property
    def is_too_large(self) -> bool:
        return self._size > MAX_ROW_CHARS

    def grow(self, size: int) -> None:
        self._size += size
        if self.is_too_large:
            self._google.clear()
            self._plain.clear()

    def add(self, name: str, value: object, *, is_google: bool) -> None:
        if value and not self.is_too_large:
            (self._google if is_google else self._plain).append((name, value))

    def list_attributes(self) -> list[tuple[str, object]]:
        """Google's elements, and of the plain ones those without a counterpart there."""
        named = {name for name, _ in self._google}
        return self._google + [pair for pair in self._plain if pair[0] not in named]


class _ItemCollector:
    """The parser's target: keeps the item in hand and nothing of the rest of the document."""

    def __init__(self) -> None:
        self.root = ""
        self.count = 0
        self.events = 0
        self.finished: deque[_ItemElement] = deque()
        self._names: dict[str, tuple[str, bool]] = {}
        self._depth = 0
        self._item_depth = 0
        self._item: _ItemElement | None = None
        self._field = ""
        self._text: list[str] = []
        self._details: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.events += 1
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise FeedUnreadable(
                FeedErrorCode.FORBIDDEN_XML, f"Elements are nested over {_MAX_DEPTH} deep."
            )
        name, _ = self._name_of(tag)
        for attribute in attributes:
            self._name_of(attribute)
        if self._depth == 1:
            self.root = name or tag
        elif self._item is None:
            if name in _ITEMS:
                self.count += 1
                self._item = _ItemElement(self.count)
                self._item_depth = self._depth
        else:
            self._item.grow(len(tag) + sum(map(len, attributes.values())))
            self._open_field(name, attributes)

    def _open_field(self, name: str, attributes: dict[str, str]) -> None:
        level = self._depth - self._item_depth
        if level == 1:
            self._field = name
            self._text.clear()
            self._details = {}
            if name == "link" and attributes.get("rel", "alternate") == "alternate":
                self._text.append(attributes.get("href", ""))
        elif level == 2 and self._field == "product_detail":
            self._text.clear()

    def data(self, text: str) -> None:
        self.events += 1
        if self._item is None or not self._field:
            return
        self._item.grow(len(text))
        level = self._depth - self._item_depth
        if self._item.is_too_large:
            self._text.clear()
        elif level == 1 or self._field in _RICH or (level == 2 and self._field == "product_detail"):
            self._text.append(text)

    def end(self, tag: str) -> None:
        self.events += 1
        level = self._depth - self._item_depth
        self._depth -= 1
        if self._item is None:
            return
        if level == 0:
            self.finished.append(self._item)
            self._item = None
        elif level == 1:
            self._close_field(self._item, tag)
        elif level == 2 and self._field == "product_detail":
            self._details[self._name_of(tag)[0]] = "".join(self._text).strip()

    def _close_field(self, item: _ItemElement, tag: str) -> None:
        name, is_google = self._name_of(tag)
        if self._details:
            value: object = {
                self._details.get("attribute_name", ""): self._details.get("attribute_value", "")
            }
        else:
            value = "".join(self._text).strip()
        item.add(name, value, is_google=is_google)
        self._field = ""
        self._text.clear()
        self._details = {}

    def _name_of(self, tag: str) -> tuple[str, bool]:
        """The field an element names, and whether in Google's namespace."""
        known = self._names.get(tag)
        if known is None:
            if len(self._names) >= _MAX_NAMES:
                raise FeedUnreadable(
                    FeedErrorCode.FORBIDDEN_XML, f"There are over {_MAX_NAMES:,} element names."
                )
            namespace, _, local = tag.rpartition("}")
            name = normalize(local)
            known = self._names[tag] = (_PLAIN_NAMES.get(name, name), _NAMESPACE in namespace)
        return known


def _parse(source: Source, collector: _ItemCollector, encoding: str | None) -> Iterator[bool]:
    """Parse step by step; every step may have finished some items."""
    parser = DefusedXMLParser(target=collector, forbid_dtd=True)
    pieces: Iterator[str | bytes]
    if encoding is None:
        encoding_of(source, "utf-8")  # refuses what is no text at all; the XML names its encoding
        pieces = iter(source.read, b"")
    else:
        pieces = decode_text(source, encoding_of(source, encoding))
    silent = 0
    for piece in pieces:
        events = collector.events
        try:
            parser.feed(piece)
        except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
            raise _as_unreadable(error, collector, piece) from error
        silent = 0 if collector.events > events else silent + len(piece)
        if silent > 2 * MAX_ROW_CHARS:
            raise FeedUnreadable(
                FeedErrorCode.TOO_LARGE_ROW,
                f"A tag or comment has over {2 * MAX_ROW_CHARS:,} characters.",
            )
        yield True
    try:
        parser.close()
    except (ParseError, ValueError) as error:
        raise _as_unreadable(error, collector, b"") from error
    yield True


def _as_unreadable(
    error: Exception, collector: _ItemCollector, piece: str | bytes
) -> FeedUnreadable:
    if isinstance(error, DefusedXmlException):
        return FeedUnreadable(
            FeedErrorCode.FORBIDDEN_XML,
            "The XML declares a document type or entities, which feeds may not.",
        )
    if not isinstance(error, ParseError) or (
        error.code in _ENCODING_ERRORS or (isinstance(piece, bytes) and not _is_utf8(piece))
    ):
        return FeedUnreadable(
            FeedErrorCode.WRONG_ENCODING,
            f"The bytes of the XML do not fit the encoding it names or implies ({error}). Save "
            "the feed as UTF-8, or name its encoding.",
        )
    if not collector.root:
        return FeedUnreadable(FeedErrorCode.NOT_XML, f"The file is not XML: {error}.")
    return FeedUnreadable(
        FeedErrorCode.BROKEN_XML,
        f"The XML breaks off or is broken after {collector.count:,} items: {error}.",
    )


def _is_utf8(piece: bytes) -> bool:
    """Whether a chunk is UTF-8 but for the characters that its ends cut through."""
    inner = piece.lstrip(bytes(range(0x80, 0xC0)))
    if len(piece) - len(inner) > 3:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(inner, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _too_large(number: int) -> FeedError:
    return FeedError(
        row=number,
        code=FeedErrorCode.TOO_LARGE_ROW,
        message=f"The item has over {MAX_ROW_CHARS:,} characters.",
    )
