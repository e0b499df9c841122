"""Which items a Shopify product export holds: one per variant, grouped by the product's handle.

Both generations of column names are read ("Variant Price" and "Price"); for their meaning see
https://help.shopify.com/en/manual/products/import-export/using-csv
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from catalog.feeds.columns import ColumnMap, Target, normalize
from catalog.feeds.items import ItemBuilder
from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import Cell
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedItem, FeedUnreadable
from catalog.feeds.source import MAX_ROW_CHARS, Source
from catalog.feeds.table import TableRow, open_table
from catalog.feeds.values import BadValue, parse_money, parse_number, shorten

# Shopify itself allows 2,048 variants and 250 images a product.
MAX_PRODUCT_ROWS: Final = 3000
MAX_PRODUCT_CHARS: Final = 8 * MAX_ROW_CHARS

_NAMES: Final = {
    "handle": "handle url_handle",
    "title": "title",
    "body": "body_html body description",
    "vendor": "vendor",
    "category": "product_category",
    "type": "type",
    "tags": "tags",
    "published": "published published_on_online_store",
    "status": "status",
    "sku": "variant_sku sku",
    "barcode": "variant_barcode barcode",
    "price": "variant_price price",
    "compare_at_price": "variant_compare_at_price compare_at_price",
    "cost": "cost_per_item",
    "stock": "variant_inventory_qty inventory_quantity",
    "tracker": "variant_inventory_tracker inventory_tracker",
    "policy": "variant_inventory_policy continue_selling_when_out_of_stock",
    "image": "image_src product_image_url",
    "image_position": "image_position",
    "variant_image": "variant_image variant_image_url",
    "gender": "google_shopping_gender",
    "age_group": "google_shopping_age_group",
    "condition": "google_shopping_condition",
} | {f"option{n}_{part}": f"option{n}_{part}" for n in (1, 2, 3) for part in ("name", "value")}


def read_shopify_csv(
    source: Source, columns: Mapping[str, str] | None, defaults: FeedDefaults
) -> Iterator[FeedItem | FeedError]:
    """Items of a Shopify product CSV; `columns` can turn further columns into attributes.

    The rows of one product must stand together, as Shopify writes them. Before it returns,
    raises FeedUnreadable without the columns Handle, Title and the price, and without a default
    currency, which the format does not carry.
    """
    table = open_table(source, defaults)
    export = _Export(table.header, columns, defaults)

    def read_rows() -> Iterator[FeedItem | FeedError]:
        builder = ItemBuilder(defaults)
        product: _Product | None = None
        for row in table.rows:
            if isinstance(row, FeedError):
                yield row
                continue
            handle = export.cell(row, "handle")
            if not handle:
                yield _without_handle(row)
            elif product is None or product.handle != handle:
                if product is not None:
                    yield from product.build_items(builder)
                product = _Product(export, handle, row)
            elif not product.add(row):
                yield _past_limit(row, handle)
        if product is not None:
            yield from product.build_items(builder)

    return read_rows()


class _Export:
    """The columns of one file."""

    def __init__(
        self, header: list[str], columns: Mapping[str, str] | None, defaults: FeedDefaults
    ) -> None:
        self.defaults = defaults
        present: dict[str, int] = {}
        for index, column in enumerate(header):
            present.setdefault(normalize(column), index)
        self._indexes: dict[str, int] = {}
        for field, names in _NAMES.items():
            known = next((present.pop(name) for name in names.split() if name in present), None)
            if known is not None:
                self._indexes[field] = known
        self._refuse_unless_complete()
        self.extra = self._lay_out_extra(ColumnMap(columns, base={}), present)

    def has(self, field: str) -> bool:
        return field in self._indexes

    def cell(self, row: TableRow, field: str) -> str:
        index = self._indexes.get(field)
        return "" if index is None else row.cells[index].strip()

    def _refuse_unless_complete(self) -> None:
        needed = ["handle", "title"]
        if self.defaults.price_required and self.defaults.kind == "product":
            needed.append("price")
        absent = [field for field in needed if not self.has(field)]
        if absent:
            raise FeedUnreadable(
                FeedErrorCode.MISSING_COLUMNS,
                f"A Shopify product CSV has columns for {', '.join(needed)}; this file lacks "
                f"{', '.join(absent)}.",
            )
        if self.has("price") and self.defaults.currency is None:
            raise FeedUnreadable(
                FeedErrorCode.MISSING_CURRENCY,
                "A Shopify product CSV names no currency. Give the default currency of the feed.",
            )

    def _lay_out_extra(
        self, column_map: ColumnMap, present: Mapping[str, int]
    ) -> list[tuple[int, Target]]:
        unknown = [name for name in column_map.named if normalize(name) not in present]
        if unknown:
            raise FeedUnreadable(
                FeedErrorCode.INVALID_COLUMN_MAP,
                "The column map names columns that the file lacks or that Shopify's format "
                f"defines: {', '.join(unknown)}.",
            )
        extra = [
            (index, target)
            for name, index in present.items()
            if (target := column_map.find(name)) is not None
        ]
        if any(target.field != "attribute" for _, target in extra):
            raise FeedUnreadable(
                FeedErrorCode.INVALID_COLUMN_MAP,
                "The further columns of a Shopify product CSV can fill attributes only.",
            )
        return extra


class _Product:
    """The rows of one handle: the first describes the product, any may be a variant or an image."""

    def __init__(self, export: _Export, handle: str, first: TableRow) -> None:
        self.handle = handle
        self._export = export
        self._rows = [first]
        self._chars = _count_chars(first)

    def add(self, row: TableRow) -> bool:
        """Take one more row; False if the product is too large for it."""
        self._chars += _count_chars(row)
        if self._chars > MAX_PRODUCT_CHARS or len(self._rows) == MAX_PRODUCT_ROWS:
            return False
        self._rows.append(row)
        return True

    def build_items(self, builder: ItemBuilder) -> Iterator[FeedItem | FeedError]:
        shared = self._fill_shared()
        images = self._collect_images()
        for number, row in enumerate(self._rows):
            if number == 0 or self._is_variant(row):
                yield from builder.build(
                    row.line, [*shared, *self._fill_variant(row, images), *self._fill_extra(row)]
                )

    def _is_variant(self, row: TableRow) -> bool:
        cell = self._export.cell
        return any(cell(row, field) for field in ("sku", "price", "option1_value"))

    def _fill_shared(self) -> list[Cell]:
        """What all variants have in common, from the first row."""
        first, cell = self._rows[0], self._export.cell
        category = cell(first, "category")
        shared: list[Cell] = [
            (Target("title"), cell(first, "title")),
            (Target("description"), cell(first, "body")),
            (Target("brand"), cell(first, "vendor")),
            (Target("category_path"), category or cell(first, "type")),
            (Target("group_id"), self.handle),
            (Target("address"), f"/products/{quote(self.handle)}"),
            (Target("available"), self._find_availability()),
            (Target("attribute", "tags", "list"), cell(first, "tags").split(",")),
        ]
        if category:
            shared.append((Target("attribute", "type"), cell(first, "type")))
        shared += [
            (Target("attribute", name), cell(first, name))
            for name in ("gender", "age_group", "condition")
        ]
        return shared

    def _find_availability(self) -> str:
        """Only a product that is published and active can be bought."""
        published = self._export.cell(self._rows[0], "published")
        status = self._export.cell(self._rows[0], "status")
        return published if published.lower() in ("false", "no", "0") else status or published

    def _collect_images(self) -> list[object]:
        """All pictures of the product, by their position."""
        cell = self._export.cell
        found = [
            (_position(cell(row, "image_position"), number), image)
            for number, row in enumerate(self._rows)
            if (image := cell(row, "image"))
        ]
        return [image for _, image in sorted(found, key=lambda pair: pair[0])]

    def _fill_variant(self, row: TableRow, images: list[object]) -> list[Cell]:
        cell = self._export.cell
        options = self._read_options(row)
        # Exports put an apostrophe before numeric codes, so that spreadsheets keep the zeros.
        sku = cell(row, "sku").removeprefix("'")
        own_image = cell(row, "variant_image")
        price, sale_price = self._find_prices(row)
        return [
            (Target("external_id"), sku or "/".join([self.handle, *options.values()])),
            (Target("price"), price),
            (Target("sale_price"), sale_price),
            (Target("cost"), cell(row, "cost")),
            (Target("stock"), self._find_stock(row)),
            (Target("images"), [own_image, *images] if own_image else images),
            (Target("attribute", "barcode"), cell(row, "barcode").removeprefix("'")),
            *((Target("attribute", name), value) for name, value in options.items()),
        ]

    def _read_options(self, row: TableRow) -> dict[str, str]:
        """Values by lower-case name; names stand in the first row. "Default Title" means none."""
        options: dict[str, str] = {}
        for number in (1, 2, 3):
            name = self._export.cell(self._rows[0], f"option{number}_name").lower()
            value = self._export.cell(row, f"option{number}_value")
            if value and not (name in ("", "title") and value.lower().startswith("default")):
                options[name or f"option{number}"] = value
        return options

    def _find_prices(self, row: TableRow) -> tuple[str, str]:
        """Price and sale price. Shopify's price is what is paid; compare-at is the price before."""
        paid = self._export.cell(row, "price")
        before = self._export.cell(row, "compare_at_price")
        paid_amount, before_amount = self._find_amount(paid), self._find_amount(before)
        if before_amount is None and before:
            return before, paid  # broken: to be reported under the price
        if paid_amount and before_amount and before_amount > paid_amount:
            return before, paid
        return paid, ""

    def _find_amount(self, raw: str) -> Decimal | None:
        try:
            return parse_money(raw, decimal_comma=self._export.defaults.decimal_comma).amount
        except BadValue:
            return None

    def _find_stock(self, row: TableRow) -> str:
        """Empty where the stock does not limit sales: untracked, or sold on when it is used up.

        An oversold variant has a negative quantity in Shopify; nothing is left of it.
        """
        stock = self._export.cell(row, "stock")
        if self._export.has("tracker") and not self._export.cell(row, "tracker"):
            return ""
        try:
            amount = parse_number(stock, decimal_comma=self._export.defaults.decimal_comma)
        except BadValue:
            return stock
        if amount > 0:
            return stock
        sold_on = self._export.cell(row, "policy").lower() in ("continue", "true", "yes")
        return "" if sold_on else "0"

    def _fill_extra(self, row: TableRow) -> list[Cell]:
        first = self._rows[0]
        return [
            (target, row.cells[index] or first.cells[index]) for index, target in self._export.extra
        ]


def _position(text: str, number: int) -> tuple[int, int]:
    return (int(text), number) if text.isascii() and text.isdigit() else (1 << 30, number)


def _count_chars(row: TableRow) -> int:
    return sum(map(len, row.cells))


def _without_handle(row: TableRow) -> FeedError:
    return FeedError(
        row=row.line,
        code=FeedErrorCode.MISSING_ID,
        message="The row has no handle, so it belongs to no product.",
        field="external_id",
        raw=shorten(" ".join(row.cells)),
    )


def _past_limit(row: TableRow, handle: str) -> FeedError:
    return FeedError(
        row=row.line,
        code=FeedErrorCode.TOO_LARGE_ROW,
        message=f"The product “{shorten(handle)}” has over {MAX_PRODUCT_ROWS:,} rows or "
        f"{MAX_PRODUCT_CHARS:,} characters; this row is left out.",
        raw=shorten(" ".join(row.cells)),
    )
