"""CSV: header, column map, quoting, and what becomes of broken rows."""

from decimal import Decimal
from typing import Any

import pytest

from catalog.feeds.rows import FeedErrorCode, FeedItem
from tests.catalog.feed_files import read, refusal


def test_common_column_names_need_no_map() -> None:
    item = read(
        "Product ID,Name,Description,Manufacturer,Category,Regular Price,Special Price,Currency,"
        "Qty,Image URL,URL,Colour,In Stock,Cost Price,Parent SKU,Lang\n"
        'T-1,Oak table,Solid oak.,Woodworks,Home > Tables,"1,299.00",999.5,eur,7,'
        "https://img.example/1.jpg,https://shop.example/t-1,brown,yes,500,T,en\n"
    ).item
    assert item == FeedItem(
        external_id="T-1",
        title="Oak table",
        description="Solid oak.",
        brand="Woodworks",
        category_path=("Home", "Tables"),
        price=Decimal("1299"),
        sale_price=Decimal("999.5"),
        currency="EUR",
        stock=7,
        images=("https://img.example/1.jpg",),
        address="https://shop.example/t-1",
        attributes={"color": "brown"},
        cost=Decimal("500"),
        group_id="T",
        language="en",
    )
    assert item.row == 2


def test_a_column_map_is_followed_and_nothing_else_is_guessed() -> None:
    item = read(
        "Artikel;Bezeichnung;Preis;brand\nT-1;Eichentisch;1.299,00;Holz GmbH\n",
        columns={"artikel": "external_id", "BEZEICHNUNG": "title", "Preis": "price"},
        decimal_comma=True,
    ).item
    assert (item.external_id, item.title, item.price) == ("T-1", "Eichentisch", Decimal(1299))
    assert item.brand == ""


def test_unmapped_columns_become_attributes_when_asked() -> None:
    feed = "id,title,price,Heel Height,sku\nA,Boot,90,4 cm,X-1\n"
    assert read(feed).item.attributes == {}
    item = read(feed, columns={"*": "attribute"}).item
    assert item.attributes == {"heel_height": "4 cm", "sku": "X-1"}
    assert item.external_id == "A"


def test_patterns_pick_columns_by_the_start_of_their_name() -> None:
    columns = {
        "id": "external_id",
        "title": "title",
        "price": "price",
        "attr_n_*": "attribute::number",
        "attr_*": "attribute",
        "attr_secret_*": "ignore",
    }
    item = read(
        "id,title,price,attr_n_weight,attr_color,attr_secret_margin,other\nA,Lamp,5,1.5,red,9,x\n",
        columns=columns,
    ).item
    assert item.attributes == {"weight": 1.5, "color": "red"}


def test_attributes_take_the_type_the_map_names() -> None:
    columns = {
        "id": "external_id",
        "title": "title",
        "price": "price",
        "weight": "attribute:weight:number",
        "eco": "attribute:eco:boolean",
        "material": "attribute:materials:list",
    }
    feed = "id,title,price,weight,eco,material\nA,Bag,5,{},{},{}\n"
    good = read(feed.format("1.25", "Yes", '"wool, silk"'), columns=columns)
    assert good.item.attributes == {"weight": 1.25, "eco": True, "materials": ["wool", "silk"]}
    bad = read(feed.format("heavy", "perhaps", "wool"), columns=columns)
    assert bad.items == []
    assert bad.codes == [
        (2, "attribute:weight", "invalid_number"),
        (2, "attribute:eco", "invalid_boolean"),
    ]


def test_a_cell_of_pairs_becomes_attributes() -> None:
    columns = {"sku": "external_id", "name": "title", "more": "attributes", "price": "price"}
    feed = 'sku,name,price,more\nA,Hoodie,52,"size=XS,color=Blue, navy,climate=Cool|Windy,empty="\n'
    assert read(feed, columns=columns).item.attributes == {
        "size": "XS",
        "color": "Blue, navy",
        "climate": ["Cool", "Windy"],
    }
    assert read(feed.replace("size=XS", "XS"), columns=columns).codes == [
        (2, "attributes", "invalid_attributes")
    ]


def test_a_cell_of_json_becomes_attributes() -> None:
    item = read('id,title,price,attributes\nA,Lamp,5,"{""watts"": 7, ""dim"": true}"\n').item
    assert item.attributes == {"watts": 7.0, "dim": True}
    broken = read('id,title,price,attributes\nA,Lamp,5,"{""watts"": "\n')
    assert broken.codes == [(2, "attributes", "invalid_json")]


@pytest.mark.parametrize(
    ("cell", "options", "path"),
    [
        ("Men > Tops>Hoodies", {}, ("Men", "Tops", "Hoodies")),
        ("Men/Tops", {"category_separator": "/"}, ("Men", "Tops")),
        ('"Gear\nBags"', {"category_separator": "\n"}, ("Gear", "Bags")),
        (
            '"Root/Sale,Root/Men/Tops,Root"',
            {
                "category_separator": "/",
                "category_list_separator": ",",
                "category_root": "Root",
            },
            ("Men", "Tops"),
        ),
        ("", {}, ()),
    ],
)
def test_category_paths_are_split_as_the_options_say(
    cell: str, options: dict[str, Any], path: tuple[str, ...]
) -> None:
    assert (
        read(f"id,title,price,category\nA,Hoodie,52,{cell}\n", **options).item.category_path == path
    )


def test_several_columns_make_one_category_path() -> None:
    columns = {
        "id": "external_id",
        "name": "title",
        "price": "price",
        "category": "category_path",
        "style": "category_path",
    }
    item = read("id,style,name,price,category\nA,backpack,Daypack,9,bags\n", columns=columns).item
    assert item.category_path == ("bags", "backpack")


def test_several_image_columns_are_collected_and_completed() -> None:
    item = read(
        "id,title,price,image,additional_images\n"
        'A,Lamp,5,/m/1.jpg,"/m/2.jpg,/m/w_300,h_300/3.jpg, https://img.example/4.jpg,/m/1.jpg"\n',
        image_base="https://shop.example/media/",
    ).item
    assert item.images == (
        "https://shop.example/media/m/1.jpg",
        "https://shop.example/media/m/2.jpg",
        "https://shop.example/media/m/w_300,h_300/3.jpg",
        "https://img.example/4.jpg",
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_recognized(delimiter: str) -> None:
    rows = [["id", "title", "price"], ["A", '"a, b; c\td | e"', "5"]]
    feed = "\n".join(delimiter.join(row) for row in rows)
    assert read(feed).item.title == "a, b; c d | e"
    assert read(f"sep={delimiter}\n{feed}").item.row == 3


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read_and_counted(line_end: str) -> None:
    feed = line_end.join(["id,title,price", 'A,"two', 'lines",5', "", "B,,5", "C,c,5"])
    outcome = read(feed)
    assert outcome.ids == ["A", "C"]
    assert outcome.items[0].title == "two lines"
    assert outcome.codes == [(5, "title", "missing_title")]


def test_a_feed_row_without_a_price_is_reported_and_the_rest_imported() -> None:
    feed = "id,title,price\nA,Lamp,5\nB,Table,\nC,Chair,7\n"
    outcome = read(feed)
    assert outcome.ids == ["A", "C"]
    [error] = outcome.errors
    assert (error.row, error.external_id, error.code) == (3, "B", FeedErrorCode.MISSING_PRICE)
    assert read(feed, price_required=False).ids == ["A", "B", "C"]
    assert read(feed, kind="lesson").ids == ["A", "B", "C"]


def test_every_fault_of_a_row_is_reported_at_once() -> None:
    outcome = read("id,title,price,stock,currency\nA,,-5,-1,EURO\n")
    assert outcome.items == []
    assert outcome.codes == [
        (2, "title", "missing_title"),
        (2, "currency", "invalid_currency"),
        (2, "price", "negative_price"),
        (2, "stock", "negative_stock"),
    ]
    assert all(error.external_id == "A" for error in outcome.errors)
    assert outcome.errors[2].raw == "-5"


def test_the_first_good_row_of_an_id_wins() -> None:
    outcome = read("id,title,price\nA,,5\nA,Lamp,5\nA,Lamp,6\nB,Table,7\n")
    assert [(item.external_id, item.price) for item in outcome.items] == [
        ("A", Decimal(5)),
        ("B", Decimal(7)),
    ]
    assert outcome.codes == [(2, "title", "missing_title"), (4, "external_id", "duplicate_id")]


def test_a_row_with_cells_missing_or_left_over_is_reported() -> None:
    outcome = read("id,title,price\nA,Lamp\nB,Table,5,6\nC,Chair,5,,\nD,Desk,8\n")
    assert outcome.ids == ["C", "D"]
    assert outcome.codes == [(2, "", "wrong_column_count"), (3, "", "wrong_column_count")]


def test_a_stray_quotation_mark_costs_its_own_row_only() -> None:
    outcome = read(
        'id,title,price\nA,"Lamp,5\nB,"Table, round",6\n'
        'C,Pipe 5" wide,7\nD,"Oak" desk,8\nE,Chair,9\n'
    )
    assert outcome.ids == ["B", "C", "E"]
    assert outcome.items[1].title == 'Pipe 5" wide'
    assert outcome.codes == [(2, "", "malformed_csv"), (5, "", "malformed_csv")]


def test_a_quotation_mark_that_is_never_closed_makes_the_file_unreadable() -> None:
    feed = 'id,title,price\nA,Lamp,5\nB,"Table,6\nC,Chair,7\n'
    assert refusal(feed) == FeedErrorCode.UNCLOSED_QUOTE
    assert refusal(feed + "D,Desk,8\n" * 200_000) == FeedErrorCode.UNCLOSED_QUOTE


def test_a_row_beyond_a_megabyte_is_reported_and_the_next_one_read() -> None:
    long = "x" * 3_000_000
    outcome = read(f'id,title,price\nA,{long},5\nB,"{long}",6\nC,Chair,7\n')
    assert outcome.ids == ["C"]
    assert outcome.codes == [(2, "", "too_large_row"), (3, "", "too_large_row")]
    assert len(outcome.errors[0].raw) <= 120


def test_a_million_characters_in_a_cell_are_reported_as_too_long() -> None:
    outcome = read("id,title,price\nA,{},5\nB,Table,6\n".format("x" * 1_000_000))
    assert outcome.ids == ["B"]
    assert outcome.codes == [(2, "title", "too_long")]


@pytest.mark.parametrize(
    ("feed", "columns", "code"),
    [
        ("", None, "empty_file"),
        ("\n\n  \n", None, "empty_file"),
        ("id,title,price\n", None, "empty_file"),
        ("A,Lamp,5\nB,Table,6\n", None, "no_header"),
        ("id,price\nA,5\n", None, "missing_columns"),
        ("id,title\nA,Lamp\n", None, "missing_columns"),
        ("id,title,price\nA,Lamp,5\n", {"sku": "external_id"}, "missing_columns"),
        ("id,title,price\nA,Lamp,5\n", {"id": "external_id"}, "missing_columns"),
        ("id,title,price\nA,Lamp,5\n", {"id": "identity"}, "invalid_column_map"),
        ("id,title,price\nA,Lamp,5\n", {"id": 7}, "invalid_column_map"),
        ("id,title,price\nA,Lamp,5\n", {"x*": "price"}, "invalid_column_map"),
        ("id,title,price\nA,Lamp,5\n", {"id": "attribute:x:date"}, "invalid_column_map"),
        ("x" * 2_000_000, None, "too_large_row"),
        ('id,"tit"le\nA,Lamp\n', None, "no_header"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused_before_any_row(
    feed: str, columns: dict[str, str] | None, code: str
) -> None:
    assert refusal(feed, columns=columns) == code


def test_a_feed_with_a_column_for_the_kind_needs_no_price_column() -> None:
    outcome = read("id,title,kind\nA,Reading music,lesson\nB,Lamp,product\nC,Song,opera\n")
    assert outcome.ids == ["A"]
    assert outcome.codes == [
        (3, "price", "missing_price"),
        (4, "kind", "invalid_kind"),
        (4, "price", "missing_price"),
    ]


def test_a_line_beyond_a_megabyte_may_close_a_quotation_mark_but_not_leave_one_open() -> None:
    long = "x" * 2_000_000
    closing = read(f'id,title,price\nA,"two\n{long}",5\nC,Chair,7\n')
    assert closing.ids == ["C"]
    assert closing.codes == [(2, "", "too_large_row")]
    opening = f'id,title,price\nA,"{long}\nlines",5\nC,Chair,7\n'
    assert refusal(opening) == FeedErrorCode.UNCLOSED_QUOTE
    within = f'id,title,price\nA,"three\n{long}\nlines",5\nC,Chair,7\n'
    assert refusal(within) == FeedErrorCode.UNCLOSED_QUOTE
