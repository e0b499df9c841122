"""What one raw value of a feed means: a number, an amount of money, a yes, a language, a period.

Raw values are text from CSV and XML, and text, Decimal, bool, list or dict from JSON.
"""

import re
import reprlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from catalog.feeds.currencies import CURRENCIES, SHARED_SIGNS, SIGNS, minor_unit_digits
from catalog.feeds.rows import KINDS, FeedErrorCode

MAX_PRICE: Final = Decimal(10) ** 10
MAX_LANGUAGE_CHARS: Final = 10
MAX_STOCK: Final = 2**31 - 1

_PRICE_STEP: Final = Decimal("0.0001")
_MAX_NUMBER_CHARS: Final = 64

# Control characters other than whitespace, and lone surrogates, which JSON can smuggle in:
# Postgres stores neither NUL nor a surrogate.
_UNSTORABLE: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")

# Thousands are grouped by one sign throughout, in groups of three.
_WITH_POINT: Final = re.compile(
    r"(?:[0-9]{1,3}([,'’ ])[0-9]{3}(?:\1[0-9]{3})*|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"
)
_WITH_COMMA: Final = re.compile(
    r"(?:[0-9]{1,3}([.'’ ])[0-9]{3}(?:\1[0-9]{3})*|[0-9]+)(?:,[0-9]*)?|,[0-9]+"
)
_AMOUNT: Final = re.compile(
    r"(?P<before>[^\W\d_]{1,4}\.?|[^\w\s.,'’+-]|[^\W\d_]{1,2}\$)? ?"
    r"(?P<sign>[+-]?) ?(?P<number>[0-9.,][0-9.,'’ ]*?) ?"
    r"(?P<after>[^\W\d_]{1,4}\.?|[^\w\s.,'’+-])?"
)
_MINUSES: Final = str.maketrans({"−": "-", "–": "-"})

_YES: Final = frozenset({"true", "yes", "y", "1", "on", "enabled", "active", "published"})
_NO: Final = frozenset(
    {"false", "no", "n", "0", "off", "disabled", "draft", "archived", "unlisted"}
)
_AVAILABLE: Final = frozenset(
    {"in_stock", "instock", "available", "available_for_order", "limited"}
)
_UNAVAILABLE: Final = frozenset(
    {"out_of_stock", "outofstock", "unavailable", "not_available", "sold_out", "soldout"}
    | {"discontinued", "hidden", "inactive", "unpublished"}
)
_LATER: Final = {
    "preorder": "preorder",
    "pre_order": "preorder",
    "backorder": "backorder",
    "back_order": "backorder",
    "onbackorder": "backorder",
}

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}", re.IGNORECASE)


class BadValue(Exception):
    """A raw value that cannot be read. The message is a sentence for the person with the file."""

    def __init__(self, code: FeedErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Money:
    """An amount, and the currency where the value itself names one."""

    amount: Decimal
    currency: str | None


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether an item can be ordered, and "preorder" or "backorder" where it comes later."""

    available: bool
    later: str | None = None


def shorten(raw: object, limit: int = 120) -> str:
    """An excerpt of a raw value, on one line, fit for a report."""
    if raw is None:
        return ""
    text = reprlib.repr(raw) if isinstance(raw, (list, dict)) else str(raw)
    text = " ".join(clean(text[: 4 * limit]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean(text: str) -> str:
    """The text without characters that a database or a page cannot hold."""
    return _UNSTORABLE.sub("", text)


def parse_text(raw: object) -> str:
    """One line of text with single spaces. Numbers count as text ("1984" is a title)."""
    return " ".join(parse_lines(raw).split())


def parse_lines(raw: object) -> str:
    """Text with its line breaks. Refuses lists, objects and booleans with `invalid_type`."""
    if isinstance(raw, str):
        return raw if raw.isprintable() else clean(raw)
    if isinstance(raw, (Decimal, int)) and not isinstance(raw, bool):
        return str(raw)
    raise BadValue(FeedErrorCode.INVALID_TYPE, f"Text is expected, not {_name_of(raw)}.")


def parse_limited(raw: object, limit: int) -> str:
    """As `parse_text`, of at most `limit` characters."""
    return check_length(parse_text(raw), limit)


def check_length(text: str, limit: int) -> str:
    if len(text) > limit:
        raise BadValue(
            FeedErrorCode.TOO_LONG, f"The text has {len(text):,} characters; {limit:,} are allowed."
        )
    return text


def parse_number(raw: object, *, decimal_comma: bool) -> Decimal:
    """A plain number. Refuses NaN, exponents in text, and a comma where a point is expected."""
    if isinstance(raw, Decimal):
        if not raw.is_finite():
            raise _not_a_number(raw)
        return raw
    return _parse_amount(_line_of_number(raw), raw, decimal_comma=decimal_comma)


def parse_money(raw: object, *, decimal_comma: bool) -> Money:
    """An amount with or without its currency: "12.99", "12.99 USD", "€ 1,299.00", "-5".

    The amount may be negative; the currency is None unless it is named without doubt.
    """
    if isinstance(raw, Decimal):
        return Money(parse_number(raw, decimal_comma=decimal_comma), None)
    text = _line_of_number(raw)
    found = _AMOUNT.fullmatch(text.removeprefix("-"))
    if found is None or (text.startswith("-") and found["sign"]):
        raise _not_a_number(raw)
    negative = "-" if text.startswith("-") or found["sign"] == "-" else ""
    amount = _parse_amount(negative + found["number"], raw, decimal_comma=decimal_comma)
    return Money(amount, _currency_beside(found["before"], found["after"], raw))


def _line_of_number(raw: object) -> str:
    text = parse_text(raw)
    if len(text) > _MAX_NUMBER_CHARS:
        raise _not_a_number(raw)
    return text.translate(_MINUSES)


def _parse_amount(text: str, raw: object, *, decimal_comma: bool) -> Decimal:
    digits = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    found = (_WITH_COMMA if decimal_comma else _WITH_POINT).fullmatch(digits)
    if found is None:
        raise _not_a_number(raw, decimal_comma=decimal_comma)
    if found[1] is not None:
        digits = digits.replace(found[1], "")
    amount = Decimal(digits.replace(",", "."))
    return -amount if text.startswith("-") else amount


def _currency_beside(before: str | None, after: str | None, raw: object) -> str | None:
    named = {_currency_of(sign, raw) for sign in (before, after) if sign} - {None}
    if len(named) > 1:
        raise BadValue(FeedErrorCode.INVALID_CURRENCY, f"“{shorten(raw)}” names two currencies.")
    return named.pop() if named else None


def _currency_of(sign: str, raw: object) -> str | None:
    if sign in SIGNS:
        return SIGNS[sign]
    if sign.lower() in SHARED_SIGNS:
        return None
    if len(sign) == 3 and sign.isalpha():
        return parse_currency(sign)
    raise _not_a_number(raw)


def _not_a_number(raw: object, *, decimal_comma: bool = False) -> BadValue:
    hint = ""
    if isinstance(raw, str) and "," in raw and not decimal_comma:
        hint = " If the comma is its decimal mark, read the feed with decimal commas."
    elif isinstance(raw, str) and "." in raw and decimal_comma:
        hint = " The feed is read with decimal commas; this looks like a decimal point."
    return BadValue(FeedErrorCode.INVALID_NUMBER, f"“{shorten(raw)}” is not a number.{hint}")


def check_price(amount: Decimal, currency: str | None, *, minor_units: bool) -> Decimal:
    """The amount in whole currency units, rounded half up to four decimal places.

    Refuses what is below zero and what is above MAX_PRICE.
    """
    if amount < 0:
        raise BadValue(FeedErrorCode.NEGATIVE_PRICE, "The amount is negative.")
    # adjusted() first: scaling or rounding 1E+999999 would cost a million digits.
    if amount.adjusted() > 20 or amount > MAX_PRICE * 1000:
        raise _absurd_price()
    if minor_units and currency is not None:
        amount = amount.scaleb(-minor_unit_digits(currency))
    if amount > MAX_PRICE:
        raise _absurd_price()
    return abs(amount.quantize(_PRICE_STEP, ROUND_HALF_UP))


def _absurd_price() -> BadValue:
    return BadValue(FeedErrorCode.ABSURD_PRICE, f"The amount is above {MAX_PRICE:,}.")


def parse_currency(raw: object) -> str:
    """An ISO 4217 code in capitals."""
    code = parse_text(raw)
    if code.upper() not in CURRENCIES:
        if code in SIGNS:
            return SIGNS[code]
        raise BadValue(
            FeedErrorCode.INVALID_CURRENCY, f"“{shorten(raw)}” is not a currency code (ISO 4217)."
        )
    return code.upper()


def parse_stock(raw: object, *, decimal_comma: bool) -> int:
    """A whole number of pieces; "100.0000" counts as whole."""
    amount = parse_number(raw, decimal_comma=decimal_comma)
    if amount < 0:
        raise BadValue(FeedErrorCode.NEGATIVE_STOCK, "The stock is negative.")
    if amount > MAX_STOCK or amount != amount.to_integral_value():
        raise BadValue(
            FeedErrorCode.INVALID_STOCK, f"The stock is not a whole number up to {MAX_STOCK:,}."
        )
    return int(amount)


def parse_boolean(raw: object) -> bool:
    known = _find_boolean(raw)
    if known is None:
        raise BadValue(FeedErrorCode.INVALID_BOOLEAN, f"“{shorten(raw)}” is neither yes nor no.")
    return known


def parse_availability(raw: object) -> Availability:
    """Google's words (in_stock, out_of_stock, preorder, backorder), or any yes or no."""
    known = _find_boolean(raw)
    if known is not None:
        return Availability(known)
    word = _word(raw)
    if word in _LATER:
        return Availability(available=True, later=_LATER[word])
    if word in _AVAILABLE or word in _UNAVAILABLE:
        return Availability(word in _AVAILABLE)
    raise BadValue(
        FeedErrorCode.INVALID_AVAILABILITY,
        f"“{shorten(raw)}” is not an availability such as in_stock, out_of_stock, yes or no.",
    )


def _find_boolean(raw: object) -> bool | None:
    if isinstance(raw, bool):
        return raw
    word = _word(raw)
    if word in _YES:
        return True
    return False if word in _NO else None


def _word(raw: object) -> str:
    text = parse_text(raw).lower()
    # schema.org writes availability as an address: https://schema.org/InStock
    return text.rpartition("schema.org/")[2].replace(" ", "_").replace("-", "_")


def parse_kind(raw: object) -> str:
    kind = parse_text(raw).lower()
    if kind not in KINDS:
        raise BadValue(
            FeedErrorCode.INVALID_KIND, f"“{shorten(raw)}” is not one of {', '.join(KINDS)}."
        )
    return kind


def parse_language(raw: object) -> str:
    """A language tag such as en, pt-BR or zh-Hant-TW (BCP 47); "en_US" becomes "en-US"."""
    tag = parse_text(raw).replace("_", "-")
    if len(tag) > MAX_LANGUAGE_CHARS or _LANGUAGE.fullmatch(tag) is None:
        raise BadValue(
            FeedErrorCode.INVALID_LANGUAGE, f"“{shorten(raw)}” is not a language code such as en."
        )
    return tag


def is_within_period(raw: object, moment: datetime) -> bool:
    """Whether `moment` lies in "start/end" (ISO 8601, as Google writes sale periods).

    Either side may be missing. A time without zone is UTC; a date alone is the whole day.
    """
    text = parse_text(raw)
    start, slash, end = text.partition("/")
    if not slash:
        raise BadValue(FeedErrorCode.INVALID_DATE, f"“{shorten(raw)}” is not a period start/end.")
    begins = _parse_moment(start.strip(), raw)
    ends = _parse_moment(end.strip(), raw, end_of_day=True)
    return (begins is None or begins <= moment) and (ends is None or moment <= ends)


def _parse_moment(text: str, raw: object, *, end_of_day: bool = False) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadValue(
            FeedErrorCode.INVALID_DATE, f"“{shorten(raw)}” does not hold ISO 8601 dates."
        ) from None
    if end_of_day and len(text) == len("2026-01-31"):
        moment = moment.replace(hour=23, minute=59, second=59)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _name_of(raw: object) -> str:
    names = {list: "a list", dict: "an object", bool: "true or false"}
    return names.get(type(raw), type(raw).__name__)
