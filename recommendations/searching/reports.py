"""What shoppers search for, what they do not find, and what they find and leave: by query."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import Avg, Count, F, Max, Q, QuerySet, Sum

from recommendations.search_models import Search
from tenants.csv_lines import inert

LOW_SHARE = 0.1
"""Of the searches for a query that led to anything: below it, the results are poor."""

ENOUGH = 5
"""Searches before a low share says anything."""


class Report(StrEnum):
    """Which queries a report lists. Values are part of addresses."""

    TOP = "top"
    NO_RESULTS = "no-results"
    FEW_CLICKS = "few-clicks"


COLUMNS = (
    *("query", "searches", "results", "without_results", "clicked", "clicks", "last_searched"),
)


@dataclass(frozen=True, slots=True)
class QueryRow:
    """One query's searches in a span of time. Shares are in 0-1.

    `results` is how many there were on average; `without_results` the share of searches that
    found nothing as they were asked; `clicked` the share that led to an event.
    """

    query: str
    searches: int
    results: float
    without_results: float
    clicked: float
    clicks: int
    last_searched: datetime


def query_report(report: Report, since: datetime, until: datetime, *, limit: int) -> list[QueryRow]:
    """The queries of the report, the most frequent first. One statement."""
    rows: Any = _counted(since, until)  # of annotations, which no model has
    match report:
        case Report.NO_RESULTS:
            rows = rows.filter(nothing__gt=0).order_by("-nothing", "folded")
        case Report.FEW_CLICKS:
            poor = Q(answered__lt=F("searches") * LOW_SHARE) | Q(answered=0)
            rows = rows.filter(poor, searches__gte=ENOUGH).exclude(nothing=F("searches"))
            rows = rows.order_by("-searches", "folded")
        case Report.TOP:
            rows = rows.order_by("-searches", "folded")
    return [
        QueryRow(
            query=row["folded"],
            searches=row["searches"],
            results=row["found"],
            without_results=row["nothing"] / row["searches"],
            clicked=row["answered"] / row["searches"],
            clicks=row["all_clicks"],
            last_searched=row["last"],
        )
        for row in rows[:limit]
    ]


def as_csv(rows: Iterable[QueryRow]) -> str:
    """The rows as a table for a spreadsheet, with a header."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        shares = (f"{row.without_results:.4f}", f"{row.clicked:.4f}")
        cells = (row.query, row.searches, f"{row.results:.1f}", *shares, row.clicks)
        writer.writerow(inert([*cells, row.last_searched.isoformat()]))
    return text.getvalue()


def _counted(since: datetime, until: datetime) -> QuerySet[Search, Any]:
    return (
        Search.objects.filter(searched_at__gte=since, searched_at__lt=until, offset=0)
        .exclude(folded="")
        .order_by()
        .values("folded")
        .annotate(
            searches=Count("pk"),
            found=Avg("results"),
            nothing=Count("pk", filter=Q(results=0) | ~Q(rescues=[])),
            answered=Count("pk", filter=Q(clicks__gt=0)),
            all_clicks=Sum("clicks"),
            last=Max("searched_at"),
        )
    )
