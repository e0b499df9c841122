"""What a row asks for its item: price, sale price, cost, and the currency they share."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    price: Decimal | None
    sale_price: Decimal | None
    currency: str | None
    cost: Decimal | None


class OfferReader:
    """Reads offers; sale periods are judged at the moment of the defaults, or of its creation."""

    def __init__(self, defaults: FeedDefaults) -> None:
        self._defaults = defaults
        self._parse_money = partial(parse_money, decimal_comma=defaults.decimal_comma)
        self._is_now = partial(is_within_period, moment=defaults.moment or datetime.now(UTC))

    def read(self, reading: RowReading, *, kind: str) -> Offer:
        """The offer of a row; what is wrong with it goes to the errors of the reading.

        A sale price of zero, equal to the price, or outside its period is no sale. One above
        the price is an error: nobody could say which of the two the shopper will pay.
        """
        price = reading.read("price", self._parse_money, None)
        sale_price = reading.read("sale_price", self._parse_money, None)
        cost = reading.read("cost", self._parse_money, None)
        currency = self._read_currency(reading, price, sale_price, cost)
        offer = Offer(
            price=self._check(reading, "price", price, currency),
            sale_price=self._check(reading, "sale_price", sale_price, currency),
            currency=currency,
            cost=self._check(reading, "cost", cost, currency),
        )
        needs_price = (self._defaults.price_required and kind == "product") or offer.sale_price
        if needs_price and not reading.has("price"):
            reading.report("price", FeedErrorCode.MISSING_PRICE, "The row has no price.")
        return offer if offer.sale_price is None else self._judge_sale(reading, offer)

    def _check(
        self, reading: RowReading, field: str, money: Money | None, currency: str | None
    ) -> Decimal | None:
        if money is None:
            return None
        try:
            return check_price(money.amount, currency, minor_units=self._defaults.minor_units)
        except BadValue as bad:
            reading.report(field, bad.code, bad.message)
            return None

    def _read_currency(self, reading: RowReading, *moneys: Money | None) -> str | None:
        """The currency that the row names, in a column or beside an amount; else the default."""
        column = reading.read("currency", parse_currency, None)
        amounts = [money for money in moneys if money is not None]
        if not amounts:
            return None
        named = {money.currency for money in amounts} | {column}
        named.discard(None)
        if len(named) > 1:
            reading.report(
                "currency",
                FeedErrorCode.CURRENCY_CONFLICT,
                f"The row names several currencies: {', '.join(sorted(map(str, named)))}.",
            )
        if not named and self._defaults.currency is None and not reading.has("currency"):
            reading.report(
                "currency",
                FeedErrorCode.MISSING_CURRENCY,
                "The row has an amount without currency, and the feed no default currency.",
            )
        return next(iter(named), self._defaults.currency)

    def _judge_sale(self, reading: RowReading, offer: Offer) -> Offer:
        within = reading.read("sale_period", self._is_now, otherwise=True)
        price, sale_price = offer.price, offer.sale_price
        if price is not None and sale_price is not None and sale_price > price:
            reading.report(
                "sale_price",
                FeedErrorCode.SALE_PRICE_ABOVE_PRICE,
                f"The sale price {sale_price:f} is above the price {price:f}.",
            )
        is_sale = within and sale_price and sale_price != price
        return offer if is_sale else replace(offer, sale_price=None)
