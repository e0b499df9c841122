"""Which flaws an item can have, how grave each is, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


@dataclass(frozen=True, slots=True)
class Check:
    """One question about an item. `points` is what its flaw takes off a score of 100, unless the
    tenant's policy says otherwise."""

    code: str
    title: str
    severity: Severity
    points: int
    advice: str


_ALL: Final = (
    Check(
        "missing_price",
        "No price",
        Severity.CRITICAL,
        40,
        "Give it a price above zero; without one it cannot be sold.",
    ),
    Check(
        "missing_image",
        "No picture",
        Severity.CRITICAL,
        25,
        "Add a picture: an item without one is hardly ever clicked.",
    ),
    Check(
        "untranslated_text",
        "Text in another language",
        Severity.MAJOR,
        20,
        "Translate title and description, or correct the item's language.",
    ),
    Check(
        "missing_category",
        "No category",
        Severity.MAJOR,
        15,
        "Give it a category path; filters, rules and diversity go by it.",
    ),
    Check(
        "short_description",
        "Description too short",
        Severity.MAJOR,
        15,
        "Say what it is, what it is made of, whom it suits and how to use it.",
    ),
    Check(
        "broken_image",
        "Picture address broken",
        Severity.MAJOR,
        15,
        "Mend the address: http(s), or a path that begins with a slash.",
    ),
    Check(
        "price_outlier",
        "Price far from its category",
        Severity.MAJOR,
        15,
        "Look for a slipped decimal point, a wrong currency or a wrong category.",
    ),
    Check(
        "duplicate_gtin",
        "GTIN used twice",
        Severity.MAJOR,
        15,
        "A GTIN belongs to one article: correct it, or remove the double.",
    ),
    Check(
        "duplicate_sku",
        "SKU written in two ways",
        Severity.MAJOR,
        10,
        "Two ids differ only in case or separators: probably one article. Keep one of them.",
    ),
    Check(
        "duplicate_title",
        "Title used twice",
        Severity.MINOR,
        10,
        "Tell the items apart in their titles, or give variants of one thing a common group id.",
    ),
    Check(
        "few_images",
        "Too few pictures",
        Severity.MINOR,
        10,
        "Add pictures of other sides, of details and of it in use.",
    ),
    Check(
        "missing_brand",
        "No brand",
        Severity.MINOR,
        5,
        "Name the brand or maker; shoppers filter and search by it.",
    ),
    Check(
        "short_title",
        "Title too short",
        Severity.MINOR,
        5,
        "Name brand, thing and what sets it apart, as in “Oak side table, round, 45 cm”.",
    ),
    Check(
        "shouting_title",
        "Title in capitals",
        Severity.MINOR,
        5,
        "Write it in ordinary case.",
    ),
    Check(
        "no_reviews",
        "Too few reviews",
        Severity.MINOR,
        5,
        "Ask those who bought it, or import the reviews that you have elsewhere.",
    ),
    Check(
        "stale_stock",
        "Stock not refreshed",
        Severity.MINOR,
        5,
        "Send stock as it changes; a shopper who finds it sold out does not come back.",
    ),
    Check(
        "long_sold_out",
        "Sold out for long",
        Severity.MINOR,
        5,
        "Restock it, or archive it.",
    ),
)

CHECKS: Final = {check.code: check for check in _ALL}
"""Every check by its code, the gravest first. Codes are API: they never change their meaning."""

STALE_STOCK: Final = "stale_stock"
"""The one flaw that comes by the passing of minutes: judged when a score is read."""

STORED: Final = tuple(code for code in CHECKS if code != STALE_STOCK)
