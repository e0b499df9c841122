"""What a merchant can work through: the catalog's score, its flaws by check, and items by flaw."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Avg, Count, F, Func, Max, Q, QuerySet
from django_tenants.utils import schema_context

from catalog.models import Item, ItemQuerySet
from catalog.quality.checks import CHECKS, STALE_STOCK, Check
from catalog.quality.models import ItemQuality, QualityIssue
from catalog.quality.policy import points_of, quality_policy
from tenants.csv_lines import Line, inert

BATCH = 1_000
WORST_DEPARTMENTS = 8
COLUMNS = ("item", "title", "category", "score", "check", "severity", "found", "advice")

WORDS = {
    "short_description": "{} words",
    "few_images": "{} there",
    "untranslated_text": "reads like “{}”",
    "price_outlier": "usual is {}",
    "duplicate_sku": "also {}",
    "duplicate_gtin": "also {}",
    "duplicate_title": "also {}",
}
"""How what a check saw is worded."""


@dataclass(frozen=True, slots=True)
class CheckCount:
    """How many items have a flaw. `share` is of the items checked, from 0 to 1."""

    check: Check
    points: int
    items: int
    share: float

    @property
    def percent(self) -> str:
        return f"{self.share:.0%}" if self.share >= 0.01 else "< 1%"


@dataclass(frozen=True, slots=True)
class DepartmentScore:
    name: str
    items: int
    score: float


@dataclass(frozen=True, slots=True)
class CatalogReport:
    """The state of a catalog, or of one category of it. `score` is the mean, None without items;
    `fit` counts the items that may be given to a language model; most frequent flaws first."""

    items: int
    score: float | None
    fit: int
    waiting: int
    checked_at: datetime | None
    checks: tuple[CheckCount, ...]
    departments: tuple[DepartmentScore, ...]
    spellings: int


def catalog_report(now: datetime, *, category: str = "") -> CatalogReport:
    """Five statements, each over the items of the category."""
    listed = of_category(category)
    minimum = quality_policy().language_model_score
    totals = listed.with_quality(now).aggregate(
        items=Count("quality"),
        waiting=Count("id", filter=Q(quality=None)),
        score=Avg("quality_now"),
        fit=Count("id", filter=Q(quality_now__gte=minimum)),
        checked_at=Max("quality__checked_at"),
    )
    points = points_of(quality_policy())
    counts = _flaws(category)
    if points[STALE_STOCK]:
        stale = listed.filter(quality__isnull=False)
        counts[STALE_STOCK] = stale.filter(ItemQuerySet.stale_stock(now)).count()
    checked = totals["items"]
    return CatalogReport(
        **totals,
        checks=tuple(
            CheckCount(CHECKS[code], points[code], items, items / checked)
            for code, items in sorted(counts.items(), key=lambda pair: -pair[1])
            if items and code in CHECKS
        ),
        departments=_departments(listed),
        spellings=QualityIssue.objects.filter(accepted_at=None).count(),
    )


def of_category(category: str) -> ItemQuerySet:
    """The listed items that have the category anywhere in their path; all, if it is empty."""
    listed = ItemQuerySet(Item).filter(archived_at=None)
    return listed.filter(category_path__contains=[category]) if category else listed


def with_flaw(qualities: QuerySet[ItemQuality], code: str, now: datetime) -> QuerySet[ItemQuality]:
    """Those that have the flaw now."""
    if code != STALE_STOCK:
        return qualities.filter(flaws__contains=[code])
    return qualities.filter(item__in=Item.objects.filter(ItemQuerySet.stale_stock(now)))


def flaws_now(quality: ItemQuality, now: datetime) -> list[str]:
    """The item's flaws, stale stock taken in. Reads the item's offer."""
    offer = getattr(quality.item, "offer", None)
    minutes = quality_policy().stock_minutes * 60
    stale = (
        offer is not None
        and offer.stock is not None
        and (now - offer.refreshed_at).total_seconds() > minutes
        and points_of(quality_policy())[STALE_STOCK] > 0
    )
    return [*quality.flaws, STALE_STOCK] if stale else [*quality.flaws]


def score_now(quality: ItemQuality, now: datetime) -> int:
    """The score with the age of the stock, as `Item.objects.with_quality` has it."""
    off = points_of(quality_policy())[STALE_STOCK]
    return max(0, quality.score - off) if STALE_STOCK in flaws_now(quality, now) else quality.score


def found_in_words(code: str, found: dict[str, Any]) -> str:
    """What a check saw, as in "12 words"; empty where the flaw says it all."""
    value = found.get(code)
    if value is None:
        return ""
    said = ", ".join(value) if isinstance(value, list) else value
    return WORDS.get(code, "{}").format(said)


def flawed_items_csv(
    now: datetime, *, schema: str, category: str = "", code: str = ""
) -> Iterator[str]:
    """A line for each flaw of each item, header first; memory for a batch at a time.

    Each batch enters the tenant's `schema` by itself, for a streamed response is read when the
    request's schema has been left already.
    """
    line = Line()
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    yield line.text
    last = 0
    while True:
        with schema_context(schema):
            batch = _batch(now, category=category, code=code, after=last)
            rows = [row for quality in batch for row in _rows(quality, now, code)]
        if not batch:
            return
        last = batch[-1].pk
        for row in rows:
            writer.writerow(inert(row))
            yield line.text


def _batch(now: datetime, *, category: str, code: str, after: int) -> list[ItemQuality]:
    qualities = ItemQuality.objects.filter(pk__gt=after, item__archived_at=None)
    if category:
        qualities = qualities.filter(item__category_path__contains=[category])
    if code:
        qualities = with_flaw(qualities, code, now)
    return list(qualities.select_related("item__offer").order_by("pk")[:BATCH])


def _rows(quality: ItemQuality, now: datetime, code: str) -> Iterator[list[object]]:
    item = quality.item
    for flaw in flaws_now(quality, now):
        check = CHECKS.get(flaw)
        if check is not None and flaw in {code or flaw}:
            path = " > ".join(item.category_path)
            said = found_in_words(flaw, quality.found)
            yield [
                *(item.external_id, item.title, path, score_now(quality, now)),
                *(check.code, check.severity, said, check.advice),
            ]


def _flaws(category: str) -> dict[str, int]:
    listed = ItemQuality.objects.filter(item__in=of_category(category))
    each = listed.annotate(flaw=Func(F("flaws"), function="unnest"))
    return dict(each.values_list("flaw").annotate(items=Count("pk")))


def _departments(listed: ItemQuerySet) -> tuple[DepartmentScore, ...]:
    """The widest categories, the worst first."""
    rows = (
        listed.exclude(category_path=[])
        .filter(quality__isnull=False)
        .values("category_path__0")
        .annotate(items=Count("id"), score=Avg("quality__score"))
        .order_by("score")[:WORST_DEPARTMENTS]
    )
    return tuple(DepartmentScore(r["category_path__0"], r["items"], r["score"]) for r in rows)
