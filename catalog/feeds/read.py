"""What a feed holds, whatever its format: the one entry to the readers."""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, Final

from catalog.feeds.csv_feed import read_csv, read_google_tsv
from catalog.feeds.google_xml import read_google_xml
from catalog.feeds.jsonl_feed import read_jsonl
from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.rows import FeedError, FeedItem
from catalog.feeds.shopify import read_shopify_csv
from catalog.feeds.source import Source

_Reader = Callable[[Source, Mapping[str, str] | None, FeedDefaults], Iterator[FeedItem | FeedError]]

_READERS: Final[dict[FeedFormat, _Reader]] = {
    FeedFormat.CSV: read_csv,
    FeedFormat.JSONL: read_jsonl,
    FeedFormat.GOOGLE_XML: read_google_xml,
    FeedFormat.GOOGLE_TSV: read_google_tsv,
    FeedFormat.SHOPIFY_CSV: read_shopify_csv,
}


def read_feed(
    stream: BinaryIO,
    *,
    format: FeedFormat,  # noqa: A002 - the word of the API
    columns: Mapping[str, str] | None = None,
    defaults: FeedDefaults | None = None,
) -> Iterator[FeedItem | FeedError]:
    """Items and row errors in the order of the feed, in bounded memory.

    The stream is read once, forwards, from where it stands; gzip is unpacked on the way. Every
    row gives either one item or one or more errors (a Shopify product gives them per variant).

    Raises FeedUnreadable at once where the beginning of the file shows that it cannot be read
    (empty, wrong encoding, no header, missing columns, not XML) or the options are wrong, and
    from the iterator where that shows later. Then nothing read so far should be kept.
    """
    return _READERS[format](Source(stream), columns, defaults or FeedDefaults())
