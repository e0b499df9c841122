"""What a feed holds, whatever its format: the entries to the readers, one for each kind of row."""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, Final, Protocol, TypeVar

from catalog.feeds.columns import ITEM_FIELDS, ColumnMap, FieldSet
from catalog.feeds.csv_feed import asks_price, read_google_tsv, read_table
from catalog.feeds.google_xml import read_google_xml
from catalog.feeds.item_links import LINK_FIELDS, LinkBuilder
from catalog.feeds.items import ItemBuilder
from catalog.feeds.json_feed import read_json
from catalog.feeds.jsonl_feed import read_json_lines
from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.reading import Cell, Row
from catalog.feeds.reviews import REVIEW_FIELDS, ReviewBuilder
from catalog.feeds.rows import (
    FeedError,
    FeedErrorCode,
    FeedItem,
    FeedLinks,
    FeedReview,
    FeedUnreadable,
)
from catalog.feeds.shopify import read_shopify_csv
from catalog.feeds.source import Source
from catalog.feeds.yaml_feed import read_yaml

R = TypeVar("R")

_Columns = Mapping[str, str] | None
_ItemReader = Callable[[Source, _Columns, FeedDefaults], Iterator[FeedItem | FeedError]]
_RowReader = Callable[[Source, ColumnMap, FeedDefaults], Iterator[Row | FeedError]]

_ROW_READERS: Final[dict[FeedFormat, _RowReader]] = {
    FeedFormat.CSV: read_table,
    FeedFormat.JSONL: read_json_lines,
    FeedFormat.JSON: read_json,
    FeedFormat.YAML: read_yaml,
}
"""Formats that say by a column map what they hold."""

_ITEM_READERS: Final[dict[FeedFormat, _ItemReader]] = {
    FeedFormat.GOOGLE_XML: read_google_xml,
    FeedFormat.GOOGLE_TSV: read_google_tsv,
    FeedFormat.SHOPIFY_CSV: read_shopify_csv,
}
"""Formats that hold items alone, and define their columns."""


FIELD_SETS: Final[dict[str, FieldSet]] = {
    "items": ITEM_FIELDS,
    "reviews": REVIEW_FIELDS,
    "links": LINK_FIELDS,
}
"""What a column map may fill, by the content of a feed."""


def check_settings(
    content: str,
    format: FeedFormat,  # noqa: A002 - the word of the API
    columns: Mapping[str, str] | None,
) -> None:
    """Raises FeedUnreadable where no file could be read so: `unknown_format` for a format that
    holds items alone, `invalid_column_map`."""
    _refuse_format(content, format)
    ColumnMap(columns, fields=FIELD_SETS[content])


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
    source, given = Source(stream), defaults or FeedDefaults()
    if format in _ITEM_READERS:
        return _ITEM_READERS[format](source, columns, given)
    column_map = ColumnMap(columns)
    rows = (
        read_table(source, column_map, given, price_required=asks_price(given))
        if format == FeedFormat.CSV
        else _ROW_READERS[format](source, column_map, given)
    )
    return _built(rows, ItemBuilder(given))


def read_reviews(
    stream: BinaryIO,
    *,
    format: FeedFormat,  # noqa: A002 - the word of the API
    columns: Mapping[str, str] | None = None,
    defaults: FeedDefaults | None = None,
) -> Iterator[FeedReview | FeedError]:
    """Reviews and row errors, as `read_feed` reads items."""
    given = defaults or FeedDefaults()
    return _built(_rows(stream, format, columns, given, REVIEW_FIELDS), ReviewBuilder(given))


def read_links(
    stream: BinaryIO,
    *,
    format: FeedFormat,  # noqa: A002 - the word of the API
    columns: Mapping[str, str] | None = None,
    defaults: FeedDefaults | None = None,
) -> Iterator[FeedLinks | FeedError]:
    """Links between items and row errors, as `read_feed` reads items."""
    given = defaults or FeedDefaults()
    return _built(_rows(stream, format, columns, given, LINK_FIELDS), LinkBuilder(given))


class _Builder(Protocol[R]):
    def build(self, row: int, cells: list[Cell], /) -> list[R | FeedError]: ...


def _rows(
    stream: BinaryIO,
    format: FeedFormat,  # noqa: A002 - as above
    columns: _Columns,
    defaults: FeedDefaults,
    fields: FieldSet,
) -> Iterator[Row | FeedError]:
    _refuse_format("rows", format)
    return _ROW_READERS[format](Source(stream), ColumnMap(columns, fields=fields), defaults)


def _refuse_format(content: str, format: FeedFormat) -> None:  # noqa: A002 - as above
    if content != "items" and format not in _ROW_READERS:
        raise FeedUnreadable(
            FeedErrorCode.UNKNOWN_FORMAT,
            f"A file of the format {format} holds items. Use one of {', '.join(_ROW_READERS)}.",
        )


def _built(rows: Iterator[Row | FeedError], builder: _Builder[R]) -> Iterator[R | FeedError]:
    for row in rows:
        if isinstance(row, FeedError):
            yield row
        else:
            yield from builder.build(*row)
