"""What staff see first: how busy the shop is, what was served, and by which ranker version."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Q
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from catalog.models import FeedImport, Item
from profiles.activity import events_by_hour
from recommendations.models import Decision, RankerVersion
from recommendations.ranker_metrics import headline
from recommendations.staleness import staleness_of
from tenants.pages import change_address, list_address
from tenants.tasks import current_schema

CACHED_FOR = timedelta(minutes=1)
HOURS = 24
RECENT_DECISIONS = 8

OLDEST_WAITING = timedelta(minutes=5)
OLDEST_FRESH = {
    "ranker": timedelta(days=2),
    "popularity": timedelta(hours=1),
    "trending": timedelta(minutes=15),
}
"""Older than this and something does not run: a tile that is bad."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One number of the front page. `hours` are the heights of its bars, in percent."""

    title: str
    value: str
    note: str
    icon: str
    address: str
    permission: str
    hours: tuple[float, ...] = ()
    bad: bool = False


def add_dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The front page's context with the tiles this person may see, and the latest slates."""
    context["title"] = "Overview"
    context["tiles"] = [tile for tile in tiles() if request.user.has_perm(tile.permission)]
    if request.user.has_perm("recommendations.view_decision"):
        # Whose they are is on their own pages, where each look is recorded.
        latest = Decision.objects.defer("slate", "candidates", "context")
        context["decisions"] = latest.order_by("-served_at")[:RECENT_DECISIONS]
    return context


def tiles(now: datetime | None = None) -> list[Tile]:
    """The tiles of the current tenant: four statements, once a minute at most."""
    found: list[Tile] | None = cache.get("admin:tiles")
    if found is None:
        now = now or timezone.now()
        found = [_events(now), *_slates(now), _last_import(), _live_ranker(), _freshness(now)]
        cache.set("admin:tiles", found, CACHED_FOR.total_seconds())
    return found


def _events(now: datetime) -> Tile:
    by_hour = events_by_hour(now - timedelta(hours=HOURS), now)
    return Tile(
        title="Events in 24 hours",
        value=f"{sum(by_hour.values()):,}",
        note="by the hour they happened in",
        icon="bolt",
        address=reverse("admin:profiles_event_changelist"),
        permission="profiles.view_event",
        hours=_heights(by_hour, now),
    )


def _slates(now: datetime) -> tuple[Tile, Tile]:
    rows = (
        Decision.objects.filter(served_at__gte=now - timedelta(hours=HOURS), served_at__lt=now)
        .order_by()
        .annotate(hour=TruncHour("served_at"))
        .values("hour")
        .annotate(slates=Count("*"), fallbacks=Count("pk", filter=~Q(fallbacks=[])))
    )
    slates = {row["hour"]: row["slates"] for row in rows}
    fallbacks = {row["hour"]: row["fallbacks"] for row in rows}
    served, fallen = sum(slates.values()), sum(fallbacks.values())
    address = reverse("admin:recommendations_decision_changelist")
    return (
        Tile(
            title="Slates in 24 hours",
            value=f"{served:,}",
            note="each with its whole ledger",
            icon="view_carousel",
            address=address,
            permission="recommendations.view_decision",
            hours=_heights(slates, now),
        ),
        Tile(
            title="Fallbacks in 24 hours",
            value=f"{fallen:,}",
            note=f"{fallen / served:.1%} of the slates" if served else "no slate was served",
            icon="healing",
            address=f"{address}?fallback=any",
            permission="recommendations.view_decision",
            hours=_heights(fallbacks, now),
            bad=fallen * 20 > served,
        ),
    )


def _last_import() -> Tile:
    last = FeedImport.objects.order_by("-id").first()
    return Tile(
        title="Last import",
        value="none yet" if last is None else last.get_status_display(),
        note=""
        if last is None
        else f"{last.file_name}: {last.rows:,} rows, {last.failed:,} of them bad",
        icon="upload_file",
        address=list_address(FeedImport) if last is None else change_address(last),
        permission="catalog.view_feedimport",
        bad=last is not None and (last.status == FeedImport.Status.FAILED or last.failed > 0),
    )


def _live_ranker() -> Tile:
    live = RankerVersion.objects.live().first()
    best = headline(live.metrics) if live else None
    return Tile(
        title="Live ranker",
        value="none yet" if live is None else f"version {live.pk}",
        note="no metrics" if best is None else f"nDCG {best:.4f} on held-out days",
        icon="model_training",
        address=list_address(RankerVersion) if live is None else change_address(live),
        permission="recommendations.view_rankerversion",
        bad=live is None,
    )


def _freshness(now: datetime) -> Tile:
    schema = current_schema()
    measured = staleness_of([schema]).get(schema)
    ages: dict[str, timedelta] = {}
    if measured is not None:
        moments = {
            "ranker": measured.trained_at,
            "popularity": measured.facts_at,
            "trending": measured.trending_at,
        }
        ages = {name: now - at for name, at in moments.items() if at is not None}
    oldest = now - measured.waiting_since if measured and measured.waiting_since else timedelta()
    told = [] if measured is None else [f"of {measured.items:,} items"]
    told += [f"the oldest for {duration(oldest)}"] if oldest else []
    told += [f"{name} {duration(age)} old" for name, age in ages.items()]
    return Tile(
        title="Embeddings waiting",
        value="not measured yet" if measured is None else f"{measured.waiting:,}",
        note="; ".join(told) or "nothing was computed yet",
        icon="update",
        address=list_address(Item),
        permission="catalog.view_item",
        bad=oldest > OLDEST_WAITING or any(age > OLDEST_FRESH[name] for name, age in ages.items()),
    )


def duration(age: timedelta) -> str:
    """About how long, in one unit: 40 s, 5 min, 7 h, 3 days."""
    seconds = max(0, round(age.total_seconds()))
    for size, unit, most in ((1, "s", 120), (60, "min", 120 * 60), (3_600, "h", 48 * 3_600)):
        if seconds < most:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86_400} days"


def _heights(by_hour: dict[datetime, int], now: datetime) -> tuple[float, ...]:
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    counts = [by_hour.get(this_hour - timedelta(hours=ago), 0) for ago in reversed(range(HOURS))]
    most = max(counts) or 1
    return tuple(100 * count / most for count in counts)
