"""What a placement needs before a request, settled until any of it changes."""

import logging
from typing import cast

from django.utils import timezone

from recommendations.models import Placement, RankerVersion
from recommendations.rule_reading import guard_of, live_rules
from recommendations.scoring import ScoringParams
from recommendations.training.recipe import Recipe
from recommendations.values import PlacementSettings
from tenants.errors import DomainError
from tenants.settled import settled

logger = logging.getLogger(__name__)

DEFAULT_PLACEMENTS = (
    ("home", Placement.Question.HOME, 0.3),
    ("buy-again", Placement.Question.BUY_AGAIN, 0.0),
    ("item", Placement.Question.ITEM, 0.2),
    ("cart", Placement.Question.CART, 0.3),
    ("search", Placement.Question.SEARCH, 0.0),
    ("email", Placement.Question.EMAIL, 0.3),
)
"""Code, question and diversity."""

REPEATING = frozenset(
    {Placement.Question.BUY_AGAIN, Placement.Question.SEARCH, Placement.Question.EMAIL}
)
"""Questions that what the shopper has is an answer to, unless the merchant says otherwise."""


def ensure_default_placements() -> None:
    """The placements that every new tenant has. Those that exist stay as they are."""
    Placement.objects.bulk_create(
        [
            Placement(
                code=code,
                question=question,
                diversity=diversity,
                repeats_purchases=question in REPEATING,
            )
            for code, question, diversity in DEFAULT_PLACEMENTS
        ],
        ignore_conflicts=True,
    )


def placement_settings(code: str) -> PlacementSettings:
    """The settings of a placement. No query once they are settled.

    Raises DomainError `unknown_placement`.
    """
    return cast("PlacementSettings", settled(f"placement:{code}", lambda: _load(code)))


def _load(code: str) -> PlacementSettings:
    if not Placement.objects.exists():
        ensure_default_placements()
    placement = Placement.objects.filter(code=code, active=True).first()
    if placement is None:
        known = ", ".join(Placement.objects.filter(active=True).values_list("code", flat=True))
        raise DomainError(
            "unknown_placement",
            "There is no such placement.",
            fields={"placement": f"One of {known}." if known else "This shop has none yet."},
        )
    live = RankerVersion.objects.live().first()
    return PlacementSettings(
        code=placement.code,
        question=placement.question,
        diversity=placement.diversity,
        repeats_purchases=placement.repeats_purchases,
        static_item_ids=tuple(placement.static_items.values_list("pk", flat=True)),
        rules=live_rules(placement, timezone.now()),
        ranker_version=live.pk if live else None,
        params=_scoring_of(live) if live else ScoringParams(),
        guard=guard_of(placement),
    )


def _scoring_of(version: RankerVersion) -> ScoringParams:
    """How a version scores; the defaults where an older release wrote what this one cannot read."""
    try:
        return Recipe.from_json(version.params).scoring
    except (KeyError, TypeError, ValueError):
        logger.exception("%s is read with default parameters: train a new one", version)
        return ScoringParams()
