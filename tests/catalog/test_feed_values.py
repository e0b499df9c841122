"""Single values: what a price, a period, a yes or a piece of HTML means."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from catalog.feeds.currencies import CURRENCIES, minor_unit_digits
from catalog.feeds.markup import html_to_text
from catalog.feeds.options import FeedDefaults
from catalog.feeds.rows import FeedErrorCode, FeedUnreadable
from catalog.feeds.values import (
    BadValue,
    Money,
    check_price,
    is_within_period,
    parse_availability,
    parse_boolean,
    parse_language,
    parse_money,
    parse_stock,
)
from tests.catalog.feed_files import read_json

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "amount", "currency"),
    [
        ("12.99", "12.99", None),
        ("12.99 USD", "12.99", "USD"),
        ("usd 12.99", "12.99", "USD"),
        ("€12.99", "12.99", "EUR"),
        ("12.99 €", "12.99", "EUR"),
        ("$12.99", "12.99", None),
        ("US$ 12.99", "12.99", "USD"),
        ("R$12.99", "12.99", "BRL"),
        ("12.99 zł", "12.99", "PLN"),
        ("1,299.00", "1299", None),
        ("1 299.00", "1299", None),
        ("1\u00a0299\u202f000", "1299000", None),
        ("1'299.00 CHF", "1299", "CHF"),
        ("+5", "5", None),
        (".5", "0.5", None),
        ("5.", "5", None),
        ("-5", "-5", None),
        ("−5", "-5", None),
        ("-$5", "-5", None),
        ("$-5", "-5", None),
        (Decimal("12.99"), "12.99", None),
    ],
)
def test_prices_are_read_as_people_write_them(
    raw: object, amount: str, currency: str | None
) -> None:
    assert parse_money(raw, decimal_comma=False) == Money(Decimal(amount), currency)


@pytest.mark.parametrize(
    ("raw", "amount"),
    [("12,99", "12.99"), ("1.299,00 EUR", "1299"), ("1.299", "1299"), ("1 299,5", "1299.5")],
)
def test_a_decimal_comma_is_read_where_it_is_declared(raw: str, amount: str) -> None:
    assert parse_money(raw, decimal_comma=True).amount == Decimal(amount)


@pytest.mark.parametrize(
    ("raw", "decimal_comma", "code"),
    [
        ("12,99", False, "invalid_number"),
        ("12.99", True, "invalid_number"),
        ("1,2999", False, "invalid_number"),
        ("1,299 000", False, "invalid_number"),
        ("1.2.3", False, "invalid_number"),
        ("5 apples", False, "invalid_number"),
        ("1e5", False, "invalid_number"),
        ("٣٤", False, "invalid_number"),
        ("--5", False, "invalid_number"),
        ("(5.00)", False, "invalid_number"),
        ("nan", False, "invalid_number"),
        ("call us", False, "invalid_number"),
        ("9" * 65, False, "invalid_number"),
        ("12.99 ABC", False, "invalid_currency"),
        ("€ 12.99 USD", False, "invalid_currency"),
        (True, False, "invalid_type"),
    ],
)
def test_a_price_that_could_mean_something_else_is_refused(
    *, raw: object, decimal_comma: bool, code: str
) -> None:
    with pytest.raises(BadValue) as refused:
        parse_money(raw, decimal_comma=decimal_comma)
    assert refused.value.code == code


def test_the_message_about_a_comma_names_the_way_out() -> None:
    with pytest.raises(BadValue, match="decimal commas"):
        parse_money("12,99", decimal_comma=False)


def test_amounts_are_bounded_and_rounded_to_four_places() -> None:
    assert str(check_price(Decimal("0.00005"), "EUR", minor_units=False)) == "0.0001"
    assert check_price(Decimal(10**10), "EUR", minor_units=False) == 10**10
    for absurd in (Decimal(10**10) + 1, Decimal("1E+999999")):
        with pytest.raises(BadValue) as refused:
            check_price(absurd, "EUR", minor_units=False)
        assert refused.value.code == FeedErrorCode.ABSURD_PRICE


@pytest.mark.parametrize(
    ("currency", "price"), [("EUR", "12.99"), ("JPY", "1299"), ("KWD", "1.299")]
)
def test_minor_units_follow_the_currency(currency: str, price: str) -> None:
    assert check_price(Decimal(1299), currency, minor_units=True) == Decimal(price)
    assert currency in CURRENCIES
    assert minor_unit_digits(currency) in (0, 2, 3)


def test_a_sale_price_must_be_a_sale() -> None:
    def sale(**values: Any) -> Decimal | None:
        item = read_json({"id": "A", "title": "Lamp", "price": 10, **values}, moment=NOON).item
        assert item.price == Decimal(10)
        return item.sale_price

    assert sale(sale_price=8) == Decimal(8)
    assert sale(sale_price=10) is None
    assert sale(sale_price=0) is None
    assert sale(sale_price=8, sale_period="2026-03-10/2026-03-10") == Decimal(8)
    assert sale(sale_price=8, sale_period="2026-03-11/2026-03-12") is None


def test_a_sale_price_alone_is_a_missing_price() -> None:
    outcome = read_json({"id": "A", "title": "Lamp", "sale_price": 8}, price_required=False)
    assert outcome.codes == [(1, "price", "missing_price")]


def test_an_amount_needs_a_currency_from_somewhere() -> None:
    row = {"id": "A", "title": "Lamp", "price": 10}
    assert read_json(row, currency=None).codes == [(1, "currency", "missing_currency")]
    assert read_json({**row, "currency": "CHF"}, currency=None).item.currency == "CHF"
    assert read_json({**row, "price": "10 CHF"}, currency=None).item.currency == "CHF"
    assert read_json(row, currency="CHF").item.currency == "CHF"


@pytest.mark.parametrize(
    ("period", "within"),
    [
        ("2026-03-01T00:00-0800/2026-03-31T23:59-0800", True),
        ("2026-03-10T13:00+0200/2026-03-10T13:30+0200", False),
        ("2026-03-10T13:00+0200/2026-03-10T14:00+0200", True),
        ("2026-03-10/", True),
        ("/2026-03-09", False),
        ("2026-03-10/9999-12-31", True),
        ("0001-01-01T00:00+1400/9999-12-31T23:59-1200", True),
    ],
)
def test_sale_periods_are_judged_at_one_moment(*, period: str, within: bool) -> None:
    assert is_within_period(period, NOON) is within


@pytest.mark.parametrize("period", ["soon", "2026-03-10", "2026-13-01/2026-14-01", "a/b", "1/2"])
def test_a_period_that_is_none_is_refused(period: str) -> None:
    with pytest.raises(BadValue) as refused:
        is_within_period(period, NOON)
    assert refused.value.code == FeedErrorCode.INVALID_DATE


@pytest.mark.parametrize(
    ("raw", "available"),
    [
        ("in stock", True),
        ("in_stock", True),
        ("https://schema.org/InStock", True),
        ("backorder", True),
        ("Yes", True),
        (Decimal(1), True),
        (True, True),
        ("out of stock", False),
        ("http://schema.org/OutOfStock", False),
        ("Discontinued", False),
        ("0", False),
        (False, False),
    ],
)
def test_availability_is_read_in_its_many_words(*, raw: object, available: bool) -> None:
    assert parse_availability(raw).available is available


def test_what_comes_later_is_available_and_says_so() -> None:
    item = read_json({"id": "A", "title": "Lamp", "price": 1, "availability": "preorder"}).item
    assert item.available
    assert item.attributes == {"availability": "preorder"}


def test_booleans_stock_and_languages_are_read_strictly() -> None:
    assert parse_boolean("TRUE")
    assert not parse_boolean("off")
    assert parse_stock("100.0000", decimal_comma=False) == 100
    assert parse_stock("1,000", decimal_comma=False) == 1000
    assert parse_language("pt_BR") == "pt-BR"
    for parse in (parse_boolean, parse_language):
        with pytest.raises(BadValue):
            parse("2")


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain text", "plain text"),
        ("a < b & c > d, <3", "a < b & c > d, <3"),
        ("<p>One</p><p>Two<br/>Three</p>", "One\nTwo\nThree"),
        ("<ul>\n<li>29&quot; wide</li><li>Caf&eacute; &amp; bar</li></ul>", '29" wide\nCafé & bar'),
        ("<b>bo</b>ld", "bold"),
        ("x<script>if (a < b) alert('</p>')</script>y<style>p{}</style>z", "xyz"),
        ("x<!-- a <b>hidden</b> note -->y", "xy"),
        ("x<!-- never closed <b>y", "x"),
        ("x<a href='https://shop.example/", "x"),
        ("<script/>shown", "shown"),
        ("&lt;p&gt;", "<p>"),
        ("<", "<"),
        ("", ""),
    ],
)
def test_html_is_reduced_to_its_text(markup: str, text: str) -> None:
    assert html_to_text(markup) == text


def test_hostile_html_takes_linear_time() -> None:
    for piece in ("<", "<!--", "<a ", "<script>", "</", "&", "<svg><"):
        assert isinstance(html_to_text(piece * 200_000), str)


@pytest.mark.parametrize(
    "options",
    [
        {"currency": "EURO"},
        {"currency": "eur"},
        {"currency": ["EUR"]},
        {"language": "the English one"},
        {"kind": "opera"},
        {"encoding": "hex"},
        {"encoding": "utf-8\0"},
        {"encoding": "no such thing"},
        {"delimiter": ",,"},
        {"delimiter": '"'},
        {"category_separator": ""},
        {"list_separator": None},
        {"decimal_comma": "yes"},
        {"moment": NOON.replace(tzinfo=None)},
        {"moment": timedelta(1)},
    ],
)
def test_options_no_feed_could_be_read_with_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(FeedUnreadable) as refused:
        FeedDefaults(**options)
    assert refused.value.code == FeedErrorCode.INVALID_OPTIONS
