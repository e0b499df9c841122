"""Which reviews a feed holds, or what is wrong with its rows."""

import hashlib
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Final

from catalog.feeds.columns import FieldSet, known_names
from catalog.feeds.items import MAX_ID_CHARS
from catalog.feeds.markup import html_to_text
from catalog.feeds.options import FeedDefaults
from catalog.feeds.reading import Cell, RowReading
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedReview
from catalog.feeds.values import (
    BadValue,
    check_length,
    parse_boolean,
    parse_language,
    parse_limited,
    parse_lines,
    parse_number,
    parse_text,
    shorten,
)

MAX_TITLE_CHARS: Final = 300
MAX_TEXT_CHARS: Final = 10_000
MAX_AUTHOR_CHARS: Final = 200
STARS: Final = 5

_NAMES: Final = {
    "external_id": "review_id external_id id",
    "item": "item item_id product_id product sku product_sku product_code asin handle "
    "product_handle external_product_id",
    "rating": "rating rating_value stars score star_rating review_score overall",
    "title": "title review_title summary headline subject",
    "text": "text review review_text body review_body content comment review_content",
    "author": "author reviewer author_name reviewer_name nickname display_name user_name",
    "shopper": "shopper shopper_id customer_id customer reviewer_id user_id",
    "language": "language lang locale",
    "verified": "verified verified_purchase verified_buyer is_verified",
    "written_at": "written_at created_at date review_date review_timestamp timestamp submitted_at",
}
_FIELDS: Final = FieldSet(frozenset(_NAMES), ("item", "rating"), {})
REVIEW_FIELDS: Final = FieldSet(_FIELDS.fields, _FIELDS.required, known_names(_NAMES, _FIELDS))


class ReviewBuilder:
    """Turns rows into reviews or errors, and remembers the ids it has given out.

    A review without an id gets one made of what it says, so that the same file again changes
    nothing. Memory grows by about 70 bytes a row.
    """

    def __init__(self, defaults: FeedDefaults) -> None:
        self._defaults = defaults
        self._parse_rating = partial(
            parse_rating, highest=defaults.highest_rating, decimal_comma=defaults.decimal_comma
        )
        self._seen: set[int] = set()

    def build(self, row: int, cells: list[Cell]) -> list[FeedReview | FeedError]:
        """One review, or every error of the row. The first good row of an id wins."""
        reading = RowReading(row, cells)
        review = self._read(reading)
        if reading.errors:
            return [*reading.errors]
        key = hash(review.external_id)
        if key in self._seen:
            reading.report(
                "external_id",
                FeedErrorCode.DUPLICATE_ID,
                "An earlier row of the feed is the same review.",
            )
            return [*reading.errors]
        self._seen.add(key)
        return [review]

    def _read(self, reading: RowReading) -> FeedReview:
        """The review; it counts only if the reading has no errors afterwards."""
        external_id = reading.read("external_id", _parse_id, "")
        item = reading.read("item", _parse_id, "")
        reading.external_id = external_id or item or None
        if not reading.has("item"):
            reading.report("item", FeedErrorCode.MISSING_ID, "The row names no item.")
        if not reading.has("rating"):
            reading.report("rating", FeedErrorCode.MISSING_RATING, "The row has no rating.")
        nothing: datetime | None = None
        review = FeedReview(
            external_id=external_id,
            item=item,
            rating=reading.read("rating", self._parse_rating, 1),
            title=reading.read("title", partial(parse_limited, limit=MAX_TITLE_CHARS), ""),
            text=reading.read("text", _parse_review_text, ""),
            author=reading.read("author", partial(parse_limited, limit=MAX_AUTHOR_CHARS), ""),
            shopper=reading.read("shopper", _parse_id, ""),
            language=reading.read("language", parse_language, self._defaults.language),
            verified=reading.read("verified", parse_boolean, otherwise=False),
            written_at=reading.read("written_at", parse_moment, nothing),
            row=reading.row,
        )
        return review if external_id else _with_own_id(review)


def parse_rating(raw: object, *, highest: int, decimal_comma: bool) -> int:
    """Stars from 1 to 5 of a rating from 1 to `highest`, rounded half up; "4/5" names its own
    highest."""
    if isinstance(raw, str) and "/" in raw:
        raw, _, of = raw.partition("/")
        highest = int(parse_number(of.strip(), decimal_comma=decimal_comma))
    rating = parse_number(raw, decimal_comma=decimal_comma)
    if not 2 <= highest <= 100 or not 1 <= rating <= highest:
        raise BadValue(
            FeedErrorCode.INVALID_RATING,
            f"“{shorten(raw)}” is not a rating from 1 to {highest}.",
        )
    stars = (rating * STARS / highest).quantize(Decimal(1), ROUND_HALF_UP)
    return max(1, int(stars))


def parse_moment(raw: object) -> datetime:
    """An ISO 8601 date or moment; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(parse_text(raw))
    except ValueError:
        raise BadValue(
            FeedErrorCode.INVALID_DATE, f"“{shorten(raw)}” is not a date in ISO 8601."
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _parse_id(raw: object) -> str:
    return parse_limited(raw, MAX_ID_CHARS)


def _parse_review_text(raw: object) -> str:
    return check_length(html_to_text(parse_lines(raw)), MAX_TEXT_CHARS)


def _with_own_id(review: FeedReview) -> FeedReview:
    said = (review.item, review.author, review.title, review.text, str(review.written_at))
    digest = hashlib.sha256("\x1f".join(said).encode(errors="replace")).hexdigest()
    return FeedReview(
        **{name: getattr(review, name) for name in FeedReview.__dataclass_fields__}
        | {"external_id": f"said-{digest[:40]}"}
    )
