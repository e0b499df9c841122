"""How a feed is to be read: its format, and what it leaves unsaid."""

import codecs
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Final

from catalog.feeds.currencies import CURRENCIES
from catalog.feeds.rows import KINDS, LINK_KINDS, FeedErrorCode, FeedUnreadable
from catalog.feeds.values import BadValue, parse_language, shorten

# Python knows codecs that are not encodings of text files (hex, idna, unicode_escape), so the
# names a merchant may give are listed: those that spreadsheets and shop systems export.
_ENCODINGS: Final = frozenset(
    {
        "utf-8",
        "utf-8-sig",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "ascii",
        "koi8-r",
        "koi8-u",
        "mac-roman",
    }
    | {"shift_jis", "cp932", "euc_jp", "gbk", "gb18030", "gb2312", "big5", "euc_kr", "cp949"}
    | {f"cp125{page}" for page in range(9)}
    | {"cp437", "cp850", "cp852", "cp866", "cp874"}
    | {f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))}
)


class FeedFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    GOOGLE_XML = "google_xml"
    GOOGLE_TSV = "google_tsv"
    SHOPIFY_CSV = "shopify_csv"
    JSON = "json"
    YAML = "yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDefaults:
    """What holds for every row unless the row says otherwise, and how its values are written.

    Creating one raises FeedUnreadable(invalid_options) for a value no feed could be read with.

    - `currency`, `language`, `kind`: for rows that name none.
    - `decimal_comma`: "1.299,00" is thirteen hundred less one, not a broken number.
    - `minor_units`: prices are whole cents (or whatever the smallest unit of the currency is).
    - `price_required`: a product without a price is an error. Other kinds may always go without.
    - `encoding`: of a file without byte order mark; None means UTF-8. A byte order mark wins.
    - `delimiter`: of CSV and TSV; None means the one that the header line uses.
    - `category_separator` parts the levels of a path; `category_list_separator` parts several
      paths in one cell, of which the deepest is kept; `category_root` is a first level that
      all paths share and none needs.
    - `list_separator` parts the values of a list attribute; `pair_separator` parts the pairs
      of an `attributes` cell ("a=b,c=d").
    - `address_base`, `image_base`: put before addresses and images that are not absolute.
    - `highest_rating`: of reviews, what the best rating is written as; 1 is the worst.
    - `link_kind`: of links that name none: related, cross_sell or up_sell.
    - `moment`: the time at which sale periods are judged; None means the time of reading.
    """

    currency: str | None = None
    language: str = ""
    kind: str = "product"
    decimal_comma: bool = False
    minor_units: bool = False
    price_required: bool = True
    encoding: str | None = None
    delimiter: str | None = None
    category_separator: str = ">"
    category_list_separator: str | None = None
    category_root: str = ""
    list_separator: str = ","
    pair_separator: str = ","
    address_base: str = ""
    image_base: str = ""
    highest_rating: int = 5
    link_kind: str = "related"
    moment: datetime | None = None

    def __post_init__(self) -> None:
        problem = self._find_wrong_type() or self._find_problem()
        if problem is not None:
            raise FeedUnreadable(FeedErrorCode.INVALID_OPTIONS, problem)

    def _find_wrong_type(self) -> str | None:
        """Options may come as JSON, which keeps to no annotation."""
        for option in fields(self):
            value = getattr(self, option.name)
            may_be_none = option.default is None
            expected = _TYPES_WITHOUT_DEFAULT.get(option.name, type(option.default))
            if not (isinstance(value, expected) or (value is None and may_be_none)):
                return f"The option {option.name} cannot be “{shorten(value)}”."
        return None

    def _find_problem(self) -> str | None:
        separators = (self.category_separator, self.list_separator, self.pair_separator)
        checks = (
            (
                self.currency is None or self.currency in CURRENCIES,
                f"The default currency “{self.currency}” is not an ISO 4217 code in capitals.",
            ),
            (
                not self.language or _is_language(self.language),
                f"The language “{self.language}” is not a code like en.",
            ),
            (self.kind in KINDS, f"The kind “{self.kind}” is not one of {', '.join(KINDS)}."),
            (
                self.encoding is None or is_known_encoding(self.encoding),
                f"The encoding “{self.encoding}” is not one that feeds can be read in.",
            ),
            (
                self.delimiter is None or is_delimiter(self.delimiter),
                f"The delimiter “{self.delimiter}” is not one character such as , ; | or a tab.",
            ),
            (
                all(separators) and self.category_list_separator != "",
                "A separator is empty.",
            ),
            (
                2 <= self.highest_rating <= 100,
                "The highest rating is a number from 2 to 100.",
            ),
            (
                self.link_kind in LINK_KINDS,
                f"The kind of links “{self.link_kind}” is not one of {', '.join(LINK_KINDS)}.",
            ),
            (
                self.moment is None or self.moment.tzinfo is not None,
                "The moment at which sale periods are judged needs a time zone.",
            ),
        )
        return next((message for holds, message in checks if not holds), None)


_TYPES_WITHOUT_DEFAULT: Final[dict[str, type]] = {
    "currency": str,
    "encoding": str,
    "delimiter": str,
    "category_list_separator": str,
    "moment": datetime,
}


def is_known_encoding(name: str) -> bool:
    try:
        return codecs.lookup(name).name in _ENCODINGS
    except (LookupError, ValueError, UnicodeError):
        return False


def _is_language(text: str) -> bool:
    try:
        return parse_language(text) == text
    except BadValue:
        return False


def is_delimiter(text: str) -> bool:
    return len(text) == 1 and not text.isalnum() and text not in "\"'\r\n\0 "
