"""What text a feed's bytes hold: unpacked, decoded, and cut into lines, in bounded memory."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from catalog.feeds.rows import FeedErrorCode, FeedUnreadable

CHUNK_BYTES: Final = 1 << 16
MAX_ROW_CHARS: Final = 1 << 20
MAX_FILE_BYTES: Final = 4 << 30

# Deflate cannot do better than about 1,030 to 1. Real feeds stay below 50, and even rows that
# differ in their id alone stay below 300; small files may be as repetitive as they like.
_BOMB_RATIO: Final = 400
_BOMB_MIN_BYTES: Final = 64 << 20

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ARCHIVE_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Source:
    """The unpacked bytes of a feed, read once from start to end.

    Reading raises FeedUnreadable for broken gzip, for compression bombs and past
    MAX_FILE_BYTES. Errors of the stream itself (a disk, a network) pass through.
    """

    def __init__(self, stream: BinaryIO) -> None:
        packed = _CountedStream(stream)
        head = packed.peek(4)
        self._packed = packed
        self._unpacked: _Readable = packed
        self._is_gzip = head.startswith(_GZIP_MAGIC)
        if self._is_gzip:
            self._unpacked = gzip.GzipFile(fileobj=packed, mode="rb")  # type: ignore[call-overload]
        self._ahead = b""
        self._total = 0

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, or fewer where the file ends, without consuming them."""
        while len(self._ahead) < size:
            chunk = self._read_unpacked()
            if not chunk:
                break
            self._ahead += chunk
        return self._ahead[:size]

    def read(self) -> bytes:
        """The next chunk; empty at the end."""
        if self._ahead:
            chunk, self._ahead = self._ahead, b""
            return chunk
        return self._read_unpacked()

    def _read_unpacked(self) -> bytes:
        try:
            chunk = self._unpacked.read(CHUNK_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile) as broken:
            raise FeedUnreadable(
                FeedErrorCode.BROKEN_GZIP, f"The gzip file is broken or cut off: {broken}."
            ) from broken
        self._total += len(chunk)
        if self._total > MAX_FILE_BYTES:
            raise FeedUnreadable(
                FeedErrorCode.TOO_LARGE_FILE,
                f"The file holds more than {MAX_FILE_BYTES >> 30} GB. Split it.",
            )
        if (
            self._is_gzip
            and self._total > _BOMB_MIN_BYTES
            and self._total > _BOMB_RATIO * self._packed.count
        ):
            raise FeedUnreadable(
                FeedErrorCode.COMPRESSION_BOMB,
                f"The gzip file unpacks to more than {_BOMB_RATIO} times its size.",
            )
        return chunk


class _CountedStream:
    """The packed bytes, counted; peeking works on streams that cannot seek."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead = b""
        self.count = 0

    def peek(self, size: int) -> bytes:
        while len(self._ahead) < size:
            more = self._stream.read(size - len(self._ahead))
            if not more:
                break
            self._ahead += more
        return self._ahead

    def read(self, size: int = -1, /) -> bytes:
        if self._ahead:
            end = len(self._ahead) if size < 0 else size
            data, self._ahead = self._ahead[:end], self._ahead[end:]
        else:
            data = self._stream.read(size)
        self.count += len(data)
        return data


@dataclass(frozen=True, slots=True)
class LongLine:
    """Stands in for a line over MAX_ROW_CHARS, which was read past without being kept.

    `balanced` tells whether its quotation marks pair up, so whether a CSV row can end with it.
    """

    start: str
    balanced: bool


def read_lines(source: Source, encoding: str | None) -> Iterator[str | LongLine]:
    """The lines of a feed, each with its newline (the last may lack it).

    LF, CR LF and CR all end a line, and no other character does, so line numbers are those of
    a text editor. Raises FeedUnreadable(wrong_encoding) at the first byte that does not decode.
    """
    rest = ""
    long: _LongLineInReading | None = None
    for text in decode_text(source, encoding_of(source, encoding)):
        lines = (rest + text).split("\n")
        rest = lines.pop()
        for line in lines:
            if long is not None:
                long.extend(line)
                yield long.finish()
                long = None
            elif len(line) > MAX_ROW_CHARS:
                yield _LongLineInReading(line).finish()
            else:
                yield line + "\n"
        if long is not None:
            long.extend(rest)
            rest = ""
        elif len(rest) > MAX_ROW_CHARS:
            long = _LongLineInReading(rest)
            rest = ""
    if long is not None:
        yield long.finish()
    elif rest:
        yield rest


class _LongLineInReading:
    def __init__(self, text: str) -> None:
        self._start = text[:200]
        self._quotes = text.count('"')

    def extend(self, text: str) -> None:
        self._quotes += text.count('"')

    def finish(self) -> LongLine:
        return LongLine(self._start, self._quotes % 2 == 0)


def encoding_of(source: Source, declared: str | None) -> str:
    """The Python codec of the text: by byte order mark, else as declared, else UTF-8.

    Raises FeedUnreadable for an empty file, an archive or workbook, and for UTF-16 or UTF-32
    that nothing announces (its zero bytes would pass as UTF-8).
    """
    head = source.peek(4)
    if not head:
        raise FeedUnreadable(FeedErrorCode.EMPTY_FILE, "The file is empty.")
    if head.startswith(_ARCHIVE_MAGIC):
        raise FeedUnreadable(
            FeedErrorCode.UNKNOWN_FORMAT,
            "The file is an archive or a spreadsheet workbook. Export it as CSV.",
        )
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise _wrong_encoding("The file is UTF-32.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if declared is None and b"\0" in head:
        raise _wrong_encoding("The file is binary, or UTF-16 without a byte order mark.")
    return declared or "utf-8"


def decode_text(source: Source, encoding: str) -> Iterator[str]:
    """The text in pieces, every line end a LF; `encoding` is a codec of `encoding_of`."""
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(encoding)("strict"), translate=True
    )
    line = 1
    while True:
        chunk = source.read()
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as wrong:
            # The decoder may hold a few bytes of the chunk before, never a newline.
            line += wrong.object[: wrong.start].count(b"\n")
            byte = wrong.object[wrong.start : wrong.start + 1].hex().upper()
            raise _wrong_encoding(
                f"Byte 0x{byte} in line {line} is not {wrong.encoding}."
            ) from None
        line += text.count("\n")
        yield text
        if not chunk:
            return


def _wrong_encoding(what: str) -> FeedUnreadable:
    return FeedUnreadable(
        FeedErrorCode.WRONG_ENCODING,
        f"{what} Save the feed as UTF-8, or name its encoding: files from older spreadsheets "
        "and shop systems are often cp1252 (Western Europe) or cp1251 (Cyrillic).",
    )
