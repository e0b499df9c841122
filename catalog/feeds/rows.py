"""What a feed reader hands over: an item, an error of one row, or the refusal of a whole file."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

AttributeValue = str | float | bool | list[str]

KINDS: Final = ("product", "lesson", "article", "trip", "action", "plan")
LINK_KINDS: Final = ("related", "cross_sell", "up_sell")


class FeedErrorCode(StrEnum):
    """Every code a reader can answer with. Codes are API: they never change their meaning.

    The first group concerns one row, the second the whole file; `TOO_LARGE_ROW` and
    `MISSING_CURRENCY` occur in both roles. `UNKNOWN_FIELD` and `UNKNOWN_ITEM` are answered to rows
    that come by the API. docs/feeds.md explains each.
    """

    MISSING_ID = "missing_id"
    MISSING_TITLE = "missing_title"
    MISSING_PRICE = "missing_price"
    MISSING_CURRENCY = "missing_currency"
    DUPLICATE_ID = "duplicate_id"
    INVALID_NUMBER = "invalid_number"
    NEGATIVE_PRICE = "negative_price"
    ABSURD_PRICE = "absurd_price"
    SALE_PRICE_ABOVE_PRICE = "sale_price_above_price"
    INVALID_CURRENCY = "invalid_currency"
    CURRENCY_CONFLICT = "currency_conflict"
    INVALID_STOCK = "invalid_stock"
    NEGATIVE_STOCK = "negative_stock"
    INVALID_AVAILABILITY = "invalid_availability"
    INVALID_BOOLEAN = "invalid_boolean"
    INVALID_KIND = "invalid_kind"
    INVALID_LANGUAGE = "invalid_language"
    INVALID_ADDRESS = "invalid_address"
    INVALID_DATE = "invalid_date"
    INVALID_ATTRIBUTES = "invalid_attributes"
    MISSING_RATING = "missing_rating"
    INVALID_RATING = "invalid_rating"
    INVALID_LINK = "invalid_link"
    INVALID_TYPE = "invalid_type"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_ITEM = "unknown_item"
    INVALID_JSON = "invalid_json"
    TOO_LONG = "too_long"
    TOO_MANY_VALUES = "too_many_values"
    TOO_LARGE_ROW = "too_large_row"
    MALFORMED_CSV = "malformed_csv"
    WRONG_COLUMN_COUNT = "wrong_column_count"

    EMPTY_FILE = "empty_file"
    WRONG_ENCODING = "wrong_encoding"
    BROKEN_GZIP = "broken_gzip"
    COMPRESSION_BOMB = "compression_bomb"
    TOO_LARGE_FILE = "too_large_file"
    UNKNOWN_FORMAT = "unknown_format"
    NO_HEADER = "no_header"
    MISSING_COLUMNS = "missing_columns"
    UNCLOSED_QUOTE = "unclosed_quote"
    NOT_JSON_LINES = "not_json_lines"
    BROKEN_DOCUMENT = "broken_document"
    NOT_XML = "not_xml"
    BROKEN_XML = "broken_xml"
    FORBIDDEN_XML = "forbidden_xml"
    INVALID_COLUMN_MAP = "invalid_column_map"
    INVALID_OPTIONS = "invalid_options"


class FeedUnreadable(Exception):
    """The file as a whole cannot be trusted, so nothing of it may be imported.

    Mostly raised before the first row; raised from the iterator when the damage shows only
    later (XML that breaks off, a wrong byte in row 200,000).
    """

    def __init__(self, code: FeedErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One valid row.

    Prices are non-negative, at most 10^10, rounded to four decimal places, and come with a
    currency; `sale_price` is below `price` whenever it is set. `stock` None means that the
    stock does not limit sales. Attribute values are str, float, bool or list[str]. `variations`
    are the external ids of the variants that the row stands for, where it is not sold itself.
    """

    external_id: str
    title: str
    kind: str = "product"
    description: str = ""
    brand: str = ""
    category_path: tuple[str, ...] = ()
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    address: str = ""
    language: str = ""
    available: bool = True
    group_id: str | None = None
    variations: tuple[str, ...] = ()
    price: Decimal | None = None
    sale_price: Decimal | None = None
    currency: str | None = None
    cost: Decimal | None = None
    stock: int | None = None
    row: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReview:
    """One valid review: of the item with this external id, 1 to 5 stars.

    `external_id` is the shop's own, or made of what the review says.
    """

    external_id: str
    item: str
    rating: int
    title: str = ""
    text: str = ""
    author: str = ""
    shopper: str = ""
    language: str = ""
    verified: bool = False
    written_at: datetime | None = None
    row: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLinks:
    """All links of one kind that an item has, by external ids, in the merchant's order."""

    item: str
    kind: str
    linked: tuple[str, ...]
    row: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedError:
    """One thing wrong with one row. A row with errors yields no item, and may yield several errors.

    `row` is 1-based: the line of the file on which the row begins (header included), or for
    XML the number of the item element. `field` is empty when the whole row is meant.
    """

    row: int
    code: FeedErrorCode
    message: str
    external_id: str | None = None
    field: str = ""
    raw: str = ""
