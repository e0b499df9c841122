"""Small feeds for tests, and what the readers make of them."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.read import read_feed
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedItem, FeedUnreadable

GOOGLE_RSS = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><title>Shop</title>'
    "{items}</channel></rss>"
)


@dataclass(frozen=True)
class Outcome:
    items: list[FeedItem]
    errors: list[FeedError]

    @property
    def item(self) -> FeedItem:
        """The only item of a feed without errors."""
        assert self.errors == []
        [item] = self.items
        return item

    @property
    def codes(self) -> list[tuple[int, str, str]]:
        """Row, field and code of each error."""
        return [(error.row, error.field, str(error.code)) for error in self.errors]

    @property
    def ids(self) -> list[str]:
        return [item.external_id for item in self.items]


def read(
    feed: str | bytes,
    format: FeedFormat = FeedFormat.CSV,  # noqa: A002 - as in read_feed
    columns: Mapping[str, str] | None = None,
    **options: Any,
) -> Outcome:
    """Read a whole feed; prices without currency are euros unless the options say otherwise."""
    data = feed.encode() if isinstance(feed, str) else feed
    defaults = FeedDefaults(**{"currency": "EUR", **options})
    rows = list(read_feed(io.BytesIO(data), format=format, columns=columns, defaults=defaults))
    return Outcome(
        items=[row for row in rows if isinstance(row, FeedItem)],
        errors=[row for row in rows if isinstance(row, FeedError)],
    )


def refusal(
    feed: str | bytes,
    format: FeedFormat = FeedFormat.CSV,  # noqa: A002 - as in read_feed
    columns: Mapping[str, str] | None = None,
    **options: Any,
) -> FeedErrorCode:
    """Why a feed as a whole is refused."""
    with pytest.raises(FeedUnreadable) as refused:
        read(feed, format, columns, **options)
    assert refused.value.message.endswith((".", "one."))
    return refused.value.code


def read_json(*rows: Any, **options: Any) -> Outcome:
    """Rows as a JSON Lines feed."""
    feed = "\n".join(json.dumps(row) for row in rows)
    return read(feed, FeedFormat.JSONL, **options)


def google_rss(*items: str) -> str:
    """An RSS feed of items, each given by its inner XML."""
    return GOOGLE_RSS.format(items="".join(f"<item>{item}</item>" for item in items))


class Dripping(io.RawIOBase):
    """A stream that makes its bytes as they are read, and cannot seek: a large file for free."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        parts = [self._rest]
        length = len(self._rest)
        while size < 0 or length < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            length += len(piece)
        data = b"".join(parts)
        end = len(data) if size < 0 else size
        self._rest = data[end:]
        return data[:end]
