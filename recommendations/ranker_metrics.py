"""How good a ranker version is, beside the one that was live when it was trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

METRICS: Mapping[str, str] = {
    "all_recall": "Recall, all items",
    "all_ndcg": "nDCG, all items",
    "new_recall": "Recall, items new to the shopper",
    "new_ndcg": "nDCG, items new to the shopper",
}
"""The metrics of a quality in `RankerVersion.metrics`, and what they are called."""

HEADLINE = "all_ndcg"


@dataclass(frozen=True, slots=True)
class MetricView:
    """One metric of a version, and of the live one on the same days; widths in percent."""

    name: str
    value: float
    live: float | None
    width: float
    live_width: float

    @property
    def change(self) -> str:
        """How much more than the live version's; a dash where a share says nothing."""
        return f"{(self.value - self.live) / self.live:+.1%}" if self.live else "–"


def compare(metrics: Mapping[str, Any]) -> list[MetricView]:
    """Each metric of a version beside that of the version live then; empty before it is measured.

    Both were measured on the same held-out days, so they can be compared; the metrics of two
    versions on two pages cannot.
    """
    own: Mapping[str, float] = metrics.get("version") or {}
    live: Mapping[str, float] = metrics.get("live") or {}
    return [_view(METRICS[key], own[key], live.get(key)) for key in METRICS if key in own]


def headline(metrics: Mapping[str, Any]) -> float | None:
    """The one number to tell of a version: nDCG over all items."""
    value: float | None = (metrics.get("version") or {}).get(HEADLINE)
    return value


def _view(name: str, value: float, live: float | None) -> MetricView:
    largest = max(value, live or 0.0) or 1.0
    return MetricView(
        name=name,
        value=value,
        live=live,
        width=100 * value / largest,
        live_width=100 * (live or 0.0) / largest,
    )
