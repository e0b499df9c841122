"""Shopify product exports: variants grouped by handle, in both generations of column names."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest

from catalog.feeds.options import FeedFormat
from catalog.feeds.rows import FeedItem
from catalog.feeds.shopify import MAX_PRODUCT_ROWS
from tests.catalog.feed_files import Outcome, read, refusal

OLD_NAMES = (
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,"
    "Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Inventory Tracker,"
    "Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,"
    "Variant Barcode,Image Src,Image Position,Variant Image,Google Shopping / Gender,"
    "Cost per item,Status"
)
NEW_NAMES = (
    "Title,URL handle,Description,Vendor,Product category,Type,Tags,Published on online store,"
    "Status,SKU,Barcode,Option1 name,Option1 value,Price,Compare-at price,Cost per item,"
    "Inventory tracker,Inventory quantity,Continue selling when out of stock,Product image URL,"
    "Image position,Variant image URL"
)
OLD, NEW = OLD_NAMES.split(","), NEW_NAMES.split(",")

SHIRT = {
    "Handle": "shirt",
    "Title": "Linen shirt",
    "Body (HTML)": "<p>Cool &amp; light</p>",
    "Vendor": "Loom",
    "Product Category": "Apparel > Shirts",
    "Type": "Shirt",
    "Tags": "summer, linen",
    "Published": "TRUE",
    "Option1 Name": "Color",
    "Option1 Value": "Red",
    "Option2 Name": "Size",
    "Option2 Value": "M",
    "Variant SKU": "'0042",
    "Variant Inventory Tracker": "shopify",
    "Variant Inventory Qty": "3",
    "Variant Inventory Policy": "deny",
    "Variant Price": "29.00",
    "Variant Compare At Price": "39.00",
    "Variant Barcode": "'0001",
    "Image Src": "https://cdn.example/2.jpg",
    "Image Position": "2",
    "Variant Image": "https://cdn.example/red.jpg",
    "Google Shopping / Gender": "unisex",
    "Cost per item": "9.50",
    "Status": "active",
}


def export(*rows: dict[str, str], header: list[str] = OLD) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, header)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def read_export(*rows: dict[str, str], header: list[str] = OLD, **options: Any) -> Outcome:
    return read(export(*rows, header=header), FeedFormat.SHOPIFY_CSV, **options)


def test_a_variant_is_an_item_with_what_its_product_says() -> None:
    image = {"Handle": "shirt", "Image Src": "https://cdn.example/1.jpg", "Image Position": "1"}
    item = read_export(SHIRT, image).item
    assert item == FeedItem(
        external_id="0042",
        title="Linen shirt",
        description="Cool & light",
        brand="Loom",
        category_path=("Apparel", "Shirts"),
        attributes={
            "tags": ["summer", "linen"],
            "type": "Shirt",
            "gender": "unisex",
            "barcode": "0001",
            "color": "Red",
            "size": "M",
        },
        images=(
            "https://cdn.example/red.jpg",
            "https://cdn.example/1.jpg",
            "https://cdn.example/2.jpg",
        ),
        address="/products/shirt",
        group_id="shirt",
        price=Decimal(39),
        sale_price=Decimal(29),
        currency="EUR",
        cost=Decimal("9.5"),
        stock=3,
    )
    assert item.row == 2


def test_rows_without_title_are_further_variants_of_the_handle() -> None:
    more = {"Handle": "shirt", "Option1 Value": "Blue", "Option2 Value": "L", "Variant Price": "31"}
    other = {**SHIRT, "Handle": "cap", "Title": "Cap", "Variant SKU": "CAP"}
    outcome = read_export(SHIRT, more, other, address_base="https://shop.example")
    assert outcome.ids == ["0042", "shirt/Blue/L", "CAP"]
    blue = outcome.items[1]
    assert (blue.title, blue.group_id, blue.row) == ("Linen shirt", "shirt", 3)
    assert (blue.attributes["color"], blue.attributes["size"]) == ("Blue", "L")
    assert (blue.price, blue.sale_price, blue.stock) == (Decimal(31), None, None)
    assert outcome.items[2].address == "https://shop.example/products/cap"


def test_a_product_without_options_has_no_option_attributes() -> None:
    plain = {"Option1 Name": "Title", "Option1 Value": "Default Title", "Option2 Name": ""}
    item = read_export({**SHIRT, **plain, "Option2 Value": "", "Variant SKU": ""}).item
    assert item.external_id == "shirt"
    assert not {"title", "color", "size"} & set(item.attributes)


@pytest.mark.parametrize(
    ("published", "status", "available"),
    [
        ("TRUE", "active", True),
        ("", "", True),
        ("true", "", True),
        ("FALSE", "active", False),
        ("TRUE", "draft", False),
        ("TRUE", "archived", False),
    ],
)
def test_only_what_is_published_and_active_is_available(
    *, published: str, status: str, available: bool
) -> None:
    item = read_export({**SHIRT, "Published": published, "Status": status}).item
    assert item.available is available


@pytest.mark.parametrize(
    ("quantity", "tracker", "policy", "stock"),
    [
        ("3", "shopify", "deny", 3),
        ("0", "shopify", "deny", 0),
        ("-2", "shopify", "deny", 0),
        ("-2", "shopify", "continue", None),
        ("5", "shopify", "continue", 5),
        ("5", "", "deny", None),
        ("", "shopify", "deny", None),
    ],
)
def test_stock_counts_where_it_limits_sales(
    quantity: str, tracker: str, policy: str, stock: int | None
) -> None:
    row = {
        **SHIRT,
        "Variant Inventory Qty": quantity,
        "Variant Inventory Tracker": tracker,
        "Variant Inventory Policy": policy,
    }
    assert read_export(row).item.stock == stock


@pytest.mark.parametrize(
    ("paid", "before", "price", "sale_price"),
    [
        ("29", "39", 39, 29),
        ("29", "29", 29, None),
        ("29", "19", 29, None),
        ("29", "", 29, None),
        ("29", "0", 29, None),
        ("0", "39", 0, None),
    ],
)
def test_the_compare_at_price_is_the_price_before_a_sale(
    paid: str, before: str, price: int, sale_price: int | None
) -> None:
    item = read_export({**SHIRT, "Variant Price": paid, "Variant Compare At Price": before}).item
    assert item.price == Decimal(price)
    assert item.sale_price == (None if sale_price is None else Decimal(sale_price))


def test_the_newer_column_names_are_read() -> None:
    row = {
        "Title": "Cap",
        "URL handle": "cap",
        "Description": "Warm.",
        "Type": "Hats",
        "Published on online store": "TRUE",
        "Status": "Active",
        "SKU": "CAP-1",
        "Option1 name": "Color",
        "Option1 value": "Red",
        "Price": "19",
        "Compare-at price": "25",
        "Inventory tracker": "shopify",
        "Inventory quantity": "0",
        "Continue selling when out of stock": "CONTINUE",
        "Product image URL": "https://cdn.example/1.jpg",
    }
    item = read_export(row, header=NEW).item
    assert (item.external_id, item.title, item.category_path) == ("CAP-1", "Cap", ("Hats",))
    assert (item.price, item.sale_price, item.stock) == (Decimal(25), Decimal(19), None)
    assert item.images == ("https://cdn.example/1.jpg",)


def test_further_columns_become_attributes_when_asked() -> None:
    header = [*OLD, "Fabric", "SEO Title"]
    rows = (
        {**SHIRT, "Fabric": "Linen"},
        {"Handle": "shirt", "Variant SKU": "B", "Variant Price": "5"},
        {"Handle": "shirt", "Variant SKU": "C", "Variant Price": "5", "Fabric": "Wool"},
    )
    outcome = read_export(*rows, header=header, columns={"Fabric": "attribute:fabric"})
    assert [item.attributes["fabric"] for item in outcome.items] == ["Linen", "Linen", "Wool"]
    assert all("seo_title" not in item.attributes for item in outcome.items)


def test_a_bad_variant_is_reported_and_its_siblings_read() -> None:
    outcome = read_export(
        SHIRT,
        {"Handle": "shirt", "Variant SKU": "B", "Variant Price": "-1"},
        {"Handle": "shirt", "Variant SKU": "C"},
        {"Handle": "shirt", "Variant SKU": "0042", "Variant Price": "5"},
        {
            "Handle": "shirt",
            "Variant SKU": "E",
            "Variant Price": "5",
            "Variant Compare At Price": "x",
        },
        {"Handle": "", "Variant SKU": "F", "Variant Price": "5"},
        {"Handle": "cap", "Variant SKU": "G", "Variant Price": "5"},
        {**SHIRT, "Handle": "coat", "Variant SKU": "H"},
    )
    assert outcome.ids == ["0042", "H"]
    assert outcome.codes == [
        (7, "external_id", "missing_id"),
        (3, "price", "negative_price"),
        (4, "price", "missing_price"),
        (5, "external_id", "duplicate_id"),
        (6, "price", "invalid_number"),
        (8, "title", "missing_title"),
    ]


def test_a_product_of_endless_rows_is_cut_and_reported() -> None:
    rows = [
        {"Handle": "shirt", "Variant SKU": f"S{n}", "Variant Price": "5"}
        for n in range(MAX_PRODUCT_ROWS)
    ]
    outcome = read_export(SHIRT, *rows, {**SHIRT, "Handle": "cap", "Variant SKU": "CAP"})
    assert len(outcome.items) == MAX_PRODUCT_ROWS + 1
    assert outcome.codes == [(MAX_PRODUCT_ROWS + 2, "", "too_large_row")]


def test_what_is_no_shopify_export_is_refused() -> None:
    header = ",".join(OLD)
    shopify = FeedFormat.SHOPIFY_CSV
    assert refusal("id,title,price\nA,Lamp,5\n", shopify) == "missing_columns"
    assert refusal(header.replace("Variant Price", "x") + "\n" + "," * 24, shopify) == "empty_file"
    assert refusal(export({**SHIRT}).replace("Variant Price", "x"), shopify) == "missing_columns"
    assert refusal(export(SHIRT), shopify, currency=None) == "missing_currency"
    for columns in ({"Type": "category_path"}, {"nowhere": "attribute"}):
        assert refusal(export(SHIRT), shopify, columns) == "invalid_column_map"
    extra = export(SHIRT, header=[*OLD, "Fabric"])
    assert refusal(extra, shopify, {"Fabric": "brand"}) == "invalid_column_map"
