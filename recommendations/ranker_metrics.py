"""How good a ranker version is, beside the one that serves now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MetricView:
    """One metric of a version and of the live one; widths are percent of the larger of both."""

    name: str
    value: float
    live: float | None
    width: float
    live_width: float

    @property
    def value_in_words(self) -> str:
        return in_words(self.value)

    @property
    def live_in_words(self) -> str:
        return "" if self.live is None else in_words(self.live)

    @property
    def change_in_words(self) -> str:
        """How much more than the live version's; a dash where a share says nothing."""
        return f"{(self.value - self.live) / self.live:+.1%}" if self.live else "–"


def compare(metrics: Mapping[str, Any], live: Mapping[str, Any]) -> list[MetricView]:
    """Every number of `metrics`, with the live version's number of the same name."""
    lives = dict(flat(live))
    return [_view(name, value, lives.get(name)) for name, value in flat(metrics)]


def in_words(number: float) -> str:
    """Counts as counts, the rest with four decimal places."""
    return f"{number:,.0f}" if number.is_integer() and abs(number) > 1 else f"{number:.4f}"


def headline(metrics: Mapping[str, Any]) -> tuple[str, float] | None:
    """The number to tell of a version: its first nDCG, by name and value."""
    return next(((name, value) for name, value in flat(metrics) if "ndcg" in name.lower()), None)


def flat(metrics: Mapping[str, Any], *, under: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of nested metrics, each by the path to it: ("all recall20", 0.13)."""
    for key, value in metrics.items():
        name = f"{under} {key}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            yield from flat(value, under=name)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _view(name: str, value: float, live: float | None) -> MetricView:
    largest = max(abs(value), abs(live or 0.0)) or 1.0
    return MetricView(
        name=name,
        value=value,
        live=live,
        width=100 * abs(value) / largest,
        live_width=100 * abs(live or 0.0) / largest,
    )
