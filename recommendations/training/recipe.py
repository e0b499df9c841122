"""What does training choose: the settings of one ranker, and the bounds of the search for them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self, get_args

from recommendations.scoring import KIND_WEIGHTS, Blend, BlendName, ScoringParams
from recommendations.training.neighbors import NeighborRecipe


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that, with a log and a time, determines a ranker.

    `momentum` in 0-1 is the power of an item's momentum that multiplies its neighbor weights:
    0 ignores how sales move. `repeat_power` softens, in the same way, how far items differ in
    being taken again.
    """

    neighbors: NeighborRecipe = field(default_factory=NeighborRecipe)
    momentum: float = 0.5
    repeat_power: float = 0.35
    scoring: ScoringParams = field(default_factory=ScoringParams)

    def as_json(self) -> dict[str, Any]:
        """A plain dictionary that `from_json` reads back to an equal recipe."""
        plain = asdict(self)
        plain["scoring"]["kind_weights"] = {
            str(kind): weight for kind, weight in self.scoring.kind_weights.items()
        }
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Raises TypeError or KeyError when the dictionary is not one of `as_json`.

        Of neighbors that an earlier release learned in another way, what is still known holds.
        """
        known = {field.name for field in fields(NeighborRecipe)}
        scoring = plain["scoring"]
        return cls(
            neighbors=NeighborRecipe(
                **{name: value for name, value in plain["neighbors"].items() if name in known}
            ),
            momentum=plain["momentum"],
            repeat_power=plain["repeat_power"],
            scoring=ScoringParams(
                saturation=scoring["saturation"],
                recency_half_life_days=scoring["recency_half_life_days"],
                # A kind that is younger than the recipe counts as it does by default.
                kind_weights={**KIND_WEIGHTS, **scoring["kind_weights"]},
                **{name: Blend(**scoring[name]) for name in get_args(BlendName)},
            ),
        )


@dataclass(frozen=True, slots=True)
class TrainingParams:
    """The bounds of one training run.

    An item has at most `keep` neighbors and `keep_complements` complements; `k` is the length of
    the lists that quality is measured on. At most `max_shoppers` held-out shoppers, and
    `max_cells` scores at a time, are used to choose; below `min_shoppers` nothing is chosen and
    the defaults hold. At most `max_measured` held-out shoppers are used to measure.
    """

    keep: int = 100
    keep_complements: int = 50
    k: int = 20
    holdout_days: float = 28.0
    target_kinds: tuple[str, ...] = ("purchase",)
    max_shoppers: int = 1_000
    min_shoppers: int = 30
    max_measured: int = 5_000
    max_cells: int = 8_000_000
    seed: int = 7
