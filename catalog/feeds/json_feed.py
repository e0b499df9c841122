"""Which rows a JSON array of objects holds, read in a stream (RFC 8259)."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from catalog.feeds.columns import ColumnMap
from catalog.feeds.jsonl_feed import cells_of_object
from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import Row
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedUnreadable
from catalog.feeds.source import MAX_ROW_CHARS, Source, decode_text, encoding_of
from catalog.feeds.strict_json import decode_json
from catalog.feeds.values import BadValue, shorten

SPACES: Final = " \t\n\r"


def read_json(
    source: Source, columns: ColumnMap, defaults: FeedDefaults
) -> Iterator[Row | FeedError]:
    """The rows of an array of objects; a row is numbered by the line on which it begins.

    Raises FeedUnreadable(broken_document), before it returns where the file is no array, and
    later where it breaks off or an object cannot be read: no row after it could be found.
    """
    text = _Text(decode_text(source, encoding_of(source, defaults.encoding)))
    if text.next_sign() != "[":
        raise _broken(text, "The document is not an array of objects")
    text.skip(1)
    if text.next_sign() == "]":
        raise FeedUnreadable(FeedErrorCode.EMPTY_FILE, "The array is empty.")
    find = lru_cache(maxsize=4096)(columns.find)

    def read_rows() -> Iterator[Row | FeedError]:
        while True:
            text.next_sign()
            line = text.line
            parsed = text.take_value()
            if isinstance(parsed, dict):
                yield line, cells_of_object(parsed, find)
            else:
                yield FeedError(
                    row=line,
                    code=FeedErrorCode.INVALID_TYPE,
                    message="An object is expected.",
                    raw=shorten(parsed),
                )
            sign = text.next_sign()
            text.skip(1)
            if sign == "]":
                break
            if sign != ",":
                raise _broken(text, "A comma or the end of the array is expected")
        if text.next_sign():
            raise _broken(text, "Something follows the end of the array")

    return read_rows()


class _Text:
    """The text from the place of reading on, as much of it as is needed; `line` is 1-based."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._at = 0
        self.line = 1

    def next_sign(self) -> str:
        """The next character that is no space, without consuming it; empty at the end."""
        while True:
            while self._at < len(self._text):
                sign = self._text[self._at]
                if sign not in SPACES:
                    return sign
                self.skip(1)
            if not self._read_on():
                return ""

    def skip(self, count: int) -> None:
        self.line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def take_value(self) -> object:
        """The JSON value here. Reads on as long as the value seems to break off."""
        while True:
            try:
                parsed, end = decode_json(self._text, self._at)
            except BadValue as bad:
                if len(self._text) - self._at > MAX_ROW_CHARS:
                    raise FeedUnreadable(
                        FeedErrorCode.TOO_LARGE_ROW,
                        f"The object in line {self.line} is broken or has over"
                        f" {MAX_ROW_CHARS:,} characters. {bad.message}",
                    ) from bad
                if not self._read_on():
                    raise _broken(self, bad.message.rstrip(".")) from bad
            else:
                # A number at the end of what was read may go on.
                if end < len(self._text) or not self._read_on():
                    self.skip(end - self._at)
                    return parsed

    def _read_on(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._text = self._text[self._at :] + piece
        self._at = 0
        return True


def _broken(text: _Text, message: str) -> FeedUnreadable:
    return FeedUnreadable(FeedErrorCode.BROKEN_DOCUMENT, f"Line {text.line}: {message}.")
