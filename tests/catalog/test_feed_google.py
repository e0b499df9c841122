"""Google Merchant feeds, as XML (RSS, RDF, Atom) and as tab-separated text."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from catalog.feeds.options import FeedFormat
from catalog.feeds.rows import FeedItem
from tests.catalog.feed_files import google_rss, read, refusal

TABLE = """
    <g:id>TV-1</g:id>
    <g:title>Oak table &amp; bench</g:title>
    <g:description><![CDATA[<p>Solid <b>oak</b>.</p><p>Oiled.</p>]]></g:description>
    <g:link>https://shop.example/tv-1?a=1&amp;b=2</g:link>
    <g:image_link>https://img.example/1.jpg</g:image_link>
    <g:additional_image_link>https://img.example/2.jpg</g:additional_image_link>
    <g:additional_image_link>https://img.example/3.jpg</g:additional_image_link>
    <g:availability>backorder</g:availability>
    <g:price>1299.00 USD</g:price>
    <g:sale_price>999.00 USD</g:sale_price>
    <g:sale_price_effective_date>2026-03-01T00:00-0800/2026-03-31T23:59-0800</g:sale_price_effective_date>
    <g:cost_of_goods_sold>400.00 USD</g:cost_of_goods_sold>
    <g:brand>Woodworks</g:brand>
    <g:product_type>Home &gt; Tables</g:product_type>
    <g:product_type>Sale &gt; Everything &gt; Else</g:product_type>
    <g:google_product_category>Furniture &gt; Tables</g:google_product_category>
    <g:item_group_id>TV</g:item_group_id>
    <g:color>brown</g:color>
    <g:size>200 cm</g:size>
    <g:material>oak</g:material>
    <g:gender>unisex</g:gender>
    <g:age_group>adult</g:age_group>
    <g:condition>new</g:condition>
    <g:is_bundle>yes</g:is_bundle>
    <g:quantity>4</g:quantity>
    <g:shipping><g:country>US</g:country><g:price>49.00 USD</g:price></g:shipping>
    <g:product_detail>
        <g:section_name>General</g:section_name>
        <g:attribute_name>Seats</g:attribute_name>
        <g:attribute_value>6</g:attribute_value>
    </g:product_detail>
    <g:product_highlight>Oiled by hand</g:product_highlight>
    <g:product_highlight>Seats six, or eight</g:product_highlight>
    <guid>https://shop.example/?p=9</guid>
"""
LAMP = "<g:id>{id}</g:id><title>Lamp</title><g:price>{price}</g:price>"
MARCH = datetime(2026, 3, 10, tzinfo=UTC)


def test_a_google_item_is_read_in_full() -> None:
    item = read(google_rss(TABLE), FeedFormat.GOOGLE_XML, moment=MARCH).item
    assert item == FeedItem(
        external_id="TV-1",
        title="Oak table & bench",
        description="Solid oak.\nOiled.",
        brand="Woodworks",
        category_path=("Home", "Tables"),
        address="https://shop.example/tv-1?a=1&b=2",
        images=tuple(f"https://img.example/{n}.jpg" for n in (1, 2, 3)),
        available=True,
        group_id="TV",
        price=Decimal(1299),
        sale_price=Decimal(999),
        currency="USD",
        cost=Decimal(400),
        stock=4,
        attributes={
            "color": "brown",
            "size": "200 cm",
            "material": "oak",
            "gender": "unisex",
            "age_group": "adult",
            "condition": "new",
            "is_bundle": True,
            "google_product_category": "Furniture > Tables",
            "product_highlight": ["Oiled by hand", "Seats six, or eight"],
            "Seats": "6",
            "availability": "backorder",
        },
    )
    assert item.row == 1


def test_a_sale_price_outside_its_period_is_not_taken() -> None:
    april = datetime(2026, 4, 10, tzinfo=UTC)
    item = read(google_rss(TABLE), FeedFormat.GOOGLE_XML, moment=april).item
    assert (item.price, item.sale_price) == (Decimal(1299), None)


def test_an_atom_feed_is_read_with_its_own_elements() -> None:
    item = read(
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">'
        "<title>Shop</title><id>urn:shop</id><entry>"
        "<id>urn:entry:1</id><g:id>A</g:id>"
        '<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Oak <b>lamp</b></div>'
        "</title>"
        '<link rel="self" href="https://shop.example/feed"/>'
        '<link href="https://shop.example/a"/>'
        "<summary>Warm light.</summary><g:price>5 EUR</g:price>"
        "</entry></feed>",
        FeedFormat.GOOGLE_XML,
    ).item
    assert (item.external_id, item.title) == ("A", "Oak lamp")
    assert (item.address, item.description) == ("https://shop.example/a", "Warm light.")


def test_an_rdf_feed_is_read() -> None:
    item = read(
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns="http://purl.org/rss/1.0/" xmlns:g="http://base.google.com/ns/1.0">'
        f"<channel/><item>{LAMP.format(id='A', price='5 EUR')}</item></rdf:RDF>",
        FeedFormat.GOOGLE_XML,
    ).item
    assert item.title == "Lamp"


def test_googles_taxonomy_is_the_category_where_the_merchant_names_none() -> None:
    def category(taxonomy: str) -> tuple[str, ...]:
        inner = LAMP.format(id="A", price="5 EUR")
        inner += f"<g:google_product_category>{taxonomy}</g:google_product_category>"
        return read(google_rss(inner), FeedFormat.GOOGLE_XML).item.category_path

    assert category("Home &gt; Lighting") == ("Home", "Lighting")
    assert category("594") == ()


def test_a_map_redirects_google_attributes() -> None:
    inner = LAMP.format(id="A", price="5 EUR") + "<g:custom_label_0>Summer</g:custom_label_0>"
    item = read(
        google_rss(inner + "<g:adult>no</g:adult><g:energy>A++</g:energy>"),
        FeedFormat.GOOGLE_XML,
        columns={"custom_label_0": "attribute:season", "adult": "ignore", "*": "attribute"},
    ).item
    assert item.attributes == {"season": "Summer", "energy": "A++"}


def test_a_bad_google_item_is_numbered_and_the_rest_read() -> None:
    outcome = read(
        google_rss(
            LAMP.format(id="A", price="5 EUR"),
            LAMP.format(id="B", price="-5 EUR"),
            LAMP.format(id="", price="5 EURO"),
            LAMP.format(id="A", price="7 EUR"),
            LAMP.format(id="C", price="8 EUR") + f"<g:x>{'x' * 2_000_000}</g:x>",
            LAMP.format(id="D", price="9 EUR"),
        ),
        FeedFormat.GOOGLE_XML,
    )
    assert outcome.ids == ["A", "D"]
    assert outcome.codes == [
        (2, "price", "negative_price"),
        (3, "external_id", "missing_id"),
        (3, "price", "invalid_number"),
        (4, "external_id", "duplicate_id"),
        (5, "", "too_large_row"),
    ]


BOMB = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
ITEM = f"<item>{LAMP.format(id='A', price='5 EUR')}</item>"
START = '<rss xmlns:g="http://base.google.com/ns/1.0"><channel>'


@pytest.mark.parametrize(
    ("feed", "code"),
    [
        ("", "empty_file"),
        ("id\ttitle\n1\tLamp", "not_xml"),
        ("   ", "not_xml"),
        ("<html><body/></html>", "unknown_format"),
        (START + "</channel></rss>", "empty_file"),
        (BOMB + START + "<item><g:id>&b;</g:id></item></channel></rss>", "forbidden_xml"),
        (OUTSIDE + START + "<item><g:id>&a;</g:id></item></channel></rss>", "forbidden_xml"),
        ("<!DOCTYPE rss>" + START + ITEM + "</channel></rss>", "forbidden_xml"),
        (START + "<x>" * 100, "forbidden_xml"),
        (START + "".join(f"<x{n}/>" for n in range(10_001)), "forbidden_xml"),
        (START + ITEM + "</rss>", "broken_xml"),
        (START + ITEM + "<item><title>a & b</title></item></channel></rss>", "broken_xml"),
        (START + ITEM + "<item><title>&nbsp;</title></item></channel></rss>", "broken_xml"),
        (START.replace("xmlns:g", "xmlns:h") + ITEM, "broken_xml"),
        (START + f'<x y="{"x" * 3_000_000}', "too_large_row"),
        (f"<!--{'x' * 3_000_000}", "too_large_row"),
        ('<?xml version="1.0" encoding="klingon"?>' + START, "wrong_encoding"),
        ((START + "<item><title>Tür</title>").encode("latin-1"), "wrong_encoding"),
        (START.encode("utf-32"), "wrong_encoding"),
    ],
)
def test_xml_that_cannot_be_trusted_is_refused(feed: str | bytes, code: str) -> None:
    assert refusal(feed, FeedFormat.GOOGLE_XML) == code


def test_xml_that_breaks_off_late_is_refused_while_it_is_read() -> None:
    whole = google_rss(*(LAMP.format(id=n, price="5 EUR") for n in range(5_000)))
    assert len(read(whole, FeedFormat.GOOGLE_XML).items) == 5_000
    assert refusal(whole[:-200], FeedFormat.GOOGLE_XML) == "broken_xml"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "cp1252"])
def test_the_encoding_xml_declares_is_followed(encoding: str) -> None:
    feed = google_rss(LAMP.format(id="A", price="5 EUR").replace("Lamp", "Tür"))
    declared = feed.replace("UTF-8", encoding.removesuffix("-sig"))
    assert read(declared.encode(encoding), FeedFormat.GOOGLE_XML).item.title == "Tür"


def test_an_encoding_the_options_name_overrides_what_xml_declares() -> None:
    feed = google_rss(LAMP.format(id="A", price="5 EUR").replace("Lamp", "電灯")).encode(
        "shift_jis"
    )
    assert read(feed, FeedFormat.GOOGLE_XML, encoding="shift_jis").item.title == "電灯"
    assert refusal(feed, FeedFormat.GOOGLE_XML) == "wrong_encoding"


def test_a_google_text_feed_is_read() -> None:
    outcome = read(
        "id\ttitle\tdescription\tlink\timage link\tadditional image link\tavailability\tprice\t"
        "sale price\tproduct type\tgoogle product category\titem group id\tcolor\tproduct_detail\n"
        'A\tLamp\t"Warm\tlight"\thttps://shop.example/a\thttps://img.example/1.jpg\t'
        "https://img.example/2.jpg,https://img.example/3.jpg\tin stock\t15.00 EUR\t12.00 EUR\t"
        "\tHome > Lamps\tL\tred\tGeneral:Watts:7,General:Socket:E27\n"
        "B\tLamp\t\t\t\t\tsomewhere\t15.00 EUR\t\tLights\t594\t\t\tbright\n",
        FeedFormat.GOOGLE_TSV,
    )
    [item] = outcome.items
    assert (item.price, item.sale_price) == (Decimal(15), Decimal(12))
    assert item.description == "Warm light"
    assert item.category_path == ("Home", "Lamps")
    assert item.images == tuple(f"https://img.example/{n}.jpg" for n in (1, 2, 3))
    assert item.attributes == {
        "google_product_category": "Home > Lamps",
        "color": "red",
        "Watts": "7",
        "Socket": "E27",
    }
    assert outcome.codes == [
        (3, "available", "invalid_availability"),
        (3, "attributes", "invalid_attributes"),
    ]


@pytest.mark.parametrize(
    ("header", "code"),
    [("a\tb", "no_header"), ("id\tprice", "missing_columns"), ("id\ttitle", "missing_columns")],
)
def test_a_google_text_feed_without_its_columns_is_refused(header: str, code: str) -> None:
    assert refusal(f"{header}\nA\tLamp\n", FeedFormat.GOOGLE_TSV) == code
