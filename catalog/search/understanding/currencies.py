"""How shoppers name a currency: by sign, code or word."""

import re
from collections.abc import Mapping
from types import MappingProxyType

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "€": "EUR",
        "eur": "EUR",
        "euro": "EUR",
        "euros": "EUR",
        "$": "USD CAD AUD NZD SGD HKD MXN",
        "us$": "USD",
        "usd": "USD",
        "dollar": "USD CAD AUD NZD SGD HKD",
        "dollars": "USD CAD AUD NZD SGD HKD",
        "bucks": "USD CAD AUD",
        "dolares": "USD CAD",
        "cad": "CAD",
        "aud": "AUD",
        "£": "GBP",
        "gbp": "GBP",
        "pound": "GBP",
        "pounds": "GBP",
        "quid": "GBP",
        "pfund": "GBP",
        "livres": "GBP",
        "libras": "GBP",
        "chf": "CHF",
        "franken": "CHF",
        "francs": "CHF",
        "francos": "CHF",
        "₱": "PHP",
        "php": "PHP",
        "peso": "PHP MXN ARS COP CLP",
        "pesos": "PHP MXN ARS COP CLP",
        "mxn": "MXN",
        "¥": "JPY CNY",
        "jpy": "JPY",
        "yen": "JPY",
        "cny": "CNY",
        "rmb": "CNY",
        "yuan": "CNY",
        "₹": "INR",
        "inr": "INR",
        "rs": "INR PKR LKR",
        "rupee": "INR PKR LKR IDR",
        "rupees": "INR PKR LKR",
        "zl": "PLN",
        "pln": "PLN",
        "zloty": "PLN",
        "sek": "SEK",
        "nok": "NOK",
        "dkk": "DKK",
        "kr": "SEK NOK DKK",
        "kronor": "SEK",
        "kroner": "NOK DKK",
        "czk": "CZK",
        "huf": "HUF",
        "forint": "HUF",
        "brl": "BRL",
        "r$": "BRL",
        "reais": "BRL",
        "krw": "KRW",
        "₩": "KRW",
        "won": "KRW",
        "try": "TRY",
        "₺": "TRY",
        "lira": "TRY",
    }
)
"""What a folded word may mean, as ISO 4217 codes."""

CURRENCY = "|".join(re.escape(name) for name in sorted(NAMES, key=len, reverse=True))
"""A pattern for any of the names."""


def currencies_of(name: str | None) -> frozenset[str]:
    """The currencies that a name may mean; none for None."""
    return frozenset(NAMES[name].split()) if name else frozenset()
