"""Which rows a table holds, by column map or usual names, and Google's tab-separated feed."""

from collections.abc import Iterator, Mapping

from catalog.feeds.columns import ColumnMap, normalize
from catalog.feeds.google_attributes import (
    GOOGLE_COLUMNS,
    fill_google_fields,
    parse_product_details,
)
from catalog.feeds.items import ItemBuilder
from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import Row
from catalog.feeds.rows import FeedError, FeedItem
from catalog.feeds.source import Source
from catalog.feeds.table import open_table


def read_table(
    source: Source, columns: ColumnMap, defaults: FeedDefaults, *, price_required: bool = False
) -> Iterator[Row | FeedError]:
    """The rows of a table with a header line, which is checked before this returns."""
    table = open_table(source, defaults)
    layout = columns.lay_out_required(table.header, price_required=price_required)
    return (
        row
        if isinstance(row, FeedError)
        else (row.line, [(target, row.cells[index]) for index, target in layout])
        for row in table.rows
    )


def read_google_tsv(
    source: Source, columns: Mapping[str, str] | None, defaults: FeedDefaults
) -> Iterator[FeedItem | FeedError]:
    """Items of a Google Merchant text feed, whose columns are named like Google's attributes.

    Columns are parted by tabs, but any delimiter is recognized. The header is checked before
    this returns.
    """
    table = open_table(source, defaults)
    column_map = ColumnMap(columns, base=GOOGLE_COLUMNS)
    column_map.lay_out_required(table.header, price_required=asks_price(defaults))
    names = [normalize(column) for column in table.header]

    def read_rows() -> Iterator[FeedItem | FeedError]:
        builder = ItemBuilder(defaults)
        for row in table.rows:
            if isinstance(row, FeedError):
                yield row
                continue
            attributes: list[tuple[str, object]] = [
                (name, parse_product_details(cell) if name == "product_detail" else cell)
                for name, cell in zip(names, row.cells, strict=True)
                if cell and not cell.isspace()
            ]
            yield from builder.build(row.line, fill_google_fields(attributes, column_map))

    return read_rows()


def asks_price(defaults: FeedDefaults) -> bool:
    return defaults.price_required and defaults.kind == "product"
