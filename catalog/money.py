"""How an amount of money is written: with the digits that its currency has."""

from decimal import Decimal

from catalog.feeds.currencies import minor_unit_digits

_EXPONENTS: dict[str, Decimal] = {}


def amount_text(amount: Decimal, currency: str) -> str:
    """`12.9` euros as "12.90", `1200` yen as "1200" (minor units of ISO 4217)."""
    exponent = _EXPONENTS.get(currency)
    if exponent is None:
        exponent = _EXPONENTS[currency] = Decimal(1).scaleb(-minor_unit_digits(currency))
    return str(amount.quantize(exponent))
