"""Bytes to text: encodings, gzip, and files made to harm."""

import gzip
import io
import zlib
from collections.abc import Iterator

import pytest

from catalog.feeds import source
from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.read import read_feed
from catalog.feeds.rows import FeedErrorCode, FeedItem, FeedUnreadable
from tests.catalog.feed_files import Dripping, read, refusal

FEED = "id,title,price\nA,Tür,5\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding(encoding: str) -> None:
    assert read(FEED.encode(encoding)).item.title == "Tür"
    assert read(FEED.encode(encoding), encoding=None).item.external_id == "A"


def test_a_byte_order_mark_wins_over_the_named_encoding() -> None:
    assert read(FEED.encode("utf-8-sig"), encoding="cp1252").item.title == "Tür"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Tür", "latin-1"), ("Tür – 5 €", "cp1252"), ("Дверь", "cp1251"), ("電灯", "shift_jis")],
)
def test_an_encoding_is_read_when_named_and_refused_when_not(text: str, encoding: str) -> None:
    feed = FEED.replace("Tür", text).encode(encoding)
    assert read(feed, encoding=encoding).item.title == text
    assert refusal(feed) == FeedErrorCode.WRONG_ENCODING


def test_the_wrong_byte_is_named_with_its_line_and_a_way_out() -> None:
    feed = b"id,title,price\nA,Lamp,5\nB,T\xfcr,5\n"
    with pytest.raises(FeedUnreadable, match=r"0xFC in line 3 .*cp1252"):
        read(feed)


def test_a_wrong_byte_far_down_is_refused_while_the_file_is_read() -> None:
    good = b"".join(b"%d,Lamp,5\n" % n for n in range(20_000))
    rows = read_feed(
        io.BytesIO(b"id,title,price\n" + good + b"X,T\xfcr,5\n"),
        format=FeedFormat.CSV,
        defaults=FeedDefaults(currency="EUR"),
    )
    assert isinstance(next(rows), FeedItem)
    with pytest.raises(FeedUnreadable, match="line 20002"):
        list(rows)


@pytest.mark.parametrize("format_", list(FeedFormat))
def test_an_archive_or_workbook_is_refused_in_every_format(format_: FeedFormat) -> None:
    for magic in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        assert refusal(magic + bytes(100), format_) == FeedErrorCode.UNKNOWN_FORMAT


@pytest.mark.parametrize("format_", [FeedFormat.CSV, FeedFormat.JSONL, FeedFormat.SHOPIFY_CSV])
@pytest.mark.parametrize(
    "feed",
    [
        FEED.encode("utf-16-le"),
        FEED.encode("utf-16-be"),
        FEED.encode("utf-32"),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
    ],
)
def test_what_is_no_utf_8_is_refused_in_every_text_format(feed: bytes, format_: FeedFormat) -> None:
    assert refusal(feed, format_) == FeedErrorCode.WRONG_ENCODING


def test_zero_bytes_in_the_header_are_taken_for_a_wrong_encoding() -> None:
    assert refusal(b"id,ti\0tle,price\nA,Lamp,5\n") == FeedErrorCode.WRONG_ENCODING


def test_zero_bytes_inside_a_row_are_removed() -> None:
    assert read("id,title,price\nA,La\0mp,5\n").item.title == "Lamp"


def test_gzip_is_unpacked_whatever_its_pieces() -> None:
    header, row = FEED.encode().splitlines(keepends=True)
    assert read(gzip.compress(FEED.encode())).item.title == "Tür"
    assert read(gzip.compress(header) + gzip.compress(row)).item.title == "Tür"


def test_a_stream_that_hands_out_single_bytes_is_read() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 1))

    for data in (FEED.encode(), gzip.compress(FEED.encode())):
        rows = read_feed(
            Trickle(data), format=FeedFormat.CSV, defaults=FeedDefaults(currency="EUR")
        )
        assert len(list(rows)) == 1


@pytest.mark.parametrize("cut", [3, 12, 40, -4])
def test_broken_gzip_is_refused(cut: int) -> None:
    packed = gzip.compress(FEED.encode() * 100)
    assert refusal(packed[:cut]) == FeedErrorCode.BROKEN_GZIP
    assert refusal(packed[:12] + b"\xff" * 50) == FeedErrorCode.BROKEN_GZIP


def _pack(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(9, wbits=31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def test_a_compression_bomb_is_refused_before_it_unpacks() -> None:
    pieces = [b"id,title,price\n", *([b"A" * (1 << 20)] * 256)]
    packed = b"".join(_pack(iter(pieces)))
    assert len(packed) < 400_000
    assert refusal(packed) == FeedErrorCode.COMPRESSION_BOMB


def test_a_repetitive_feed_is_not_taken_for_a_bomb() -> None:
    rows = (
        b"SKU-%d,The very same oak table as in every other row of this feed,5\n" % n
        for n in range(20_000)
    )
    packed = b"".join(_pack(iter([b"id,title,price\n", *rows])))
    assert len(read(packed).items) == 20_000


def test_a_file_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_FILE_BYTES", 1 << 18)
    endless = (b"%d,Lamp,5\n" % n for n in range(10**9))
    header = iter([b"id,title,price\n"])
    stream = Dripping(piece for pieces in (header, endless) for piece in pieces)
    rows = read_feed(stream, format=FeedFormat.CSV, defaults=FeedDefaults(currency="EUR"))  # type: ignore[arg-type]
    with pytest.raises(FeedUnreadable) as refused:
        list(rows)
    assert refused.value.code == FeedErrorCode.TOO_LARGE_FILE
