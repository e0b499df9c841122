"""What a row asks for its item: price, sale price, cost, and the currency they share."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import RowReading
from catalog.feeds.rows import FeedErrorCode
from catalog.feeds.values import (
    BadValue,
    Money,
    check_price,
    is_within_period,
    parse_currency,
    parse_money,
)

_AMOUNTS = ("price", "sale_price", "cost")


@dataclass(frozen=True, slots=True)
class Offer:
    price: Decimal | None
    sale_price: Decimal | None
    currency: str | None
    cost: Decimal | None


def read_offer(
    reading: RowReading, defaults: FeedDefaults, *, kind: str, moment: datetime
) -> Offer:
    """The offer of a row; what is wrong with it goes to the errors of the reading.

    A sale price of zero, equal to the price, or outside its period is no sale. One above the
    price is an error: nobody could say which of the two the shopper will pay.
    """
    parse = partial(parse_money, decimal_comma=defaults.decimal_comma)
    moneys = {field: reading.read(field, parse, None) for field in _AMOUNTS}
    currency = _read_currency(reading, defaults, [money for money in moneys.values() if money])
    amounts = {
        field: _check(reading, field, money, currency, minor_units=defaults.minor_units)
        for field, money in moneys.items()
    }
    price, sale_price = amounts["price"], amounts["sale_price"]
    needs_price = (defaults.price_required and kind == "product") or sale_price
    if needs_price and not reading.has("price"):
        reading.report("price", FeedErrorCode.MISSING_PRICE, "The row has no price.")
    return Offer(price, _find_sale(reading, price, sale_price, moment), currency, amounts["cost"])


def _check(
    reading: RowReading,
    field: str,
    money: Money | None,
    currency: str | None,
    *,
    minor_units: bool,
) -> Decimal | None:
    if money is None:
        return None
    try:
        return check_price(money.amount, currency, minor_units=minor_units)
    except BadValue as bad:
        reading.report(field, bad.code, bad.message)
        return None


def _read_currency(reading: RowReading, defaults: FeedDefaults, moneys: list[Money]) -> str | None:
    """The currency that the row names, in a column or beside an amount; else the default."""
    column = reading.read("currency", parse_currency, None)
    if not moneys:
        return None
    named = {money.currency for money in moneys} | {column}
    named.discard(None)
    if len(named) > 1:
        reading.report(
            "currency",
            FeedErrorCode.CURRENCY_CONFLICT,
            f"The row names several currencies: {', '.join(sorted(map(str, named)))}.",
        )
    if not named and defaults.currency is None and not reading.has("currency"):
        reading.report(
            "currency",
            FeedErrorCode.MISSING_CURRENCY,
            "The row has an amount without currency, and the feed no default currency.",
        )
    return next(iter(named), defaults.currency)


def _find_sale(
    reading: RowReading, price: Decimal | None, sale_price: Decimal | None, moment: datetime
) -> Decimal | None:
    within = reading.read("sale_period", partial(is_within_period, moment=moment), otherwise=True)
    if price is None or not sale_price or sale_price == price:
        return None
    if sale_price > price:
        reading.report(
            "sale_price",
            FeedErrorCode.SALE_PRICE_ABOVE_PRICE,
            f"The sale price {sale_price:f} is above the price {price:f}.",
        )
    return sale_price if within else None
