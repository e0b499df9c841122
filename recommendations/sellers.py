"""What sells, for every shopper alike: settled, and read anew when facts or catalog change."""

from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import cast

from catalog.models import Item
from recommendations.models import ItemFacts
from recommendations.values import Sellers
from tenants.settled import settled

KEPT = 600
"""Of each list: enough for the longest slate when half of the items are sold out."""


def sellers() -> Sellers:
    """The tenant's lists; four queries when they are not settled."""
    return cast("Sellers", settled("sellers", _read))


def _read() -> Sellers:
    facts = ItemFacts.objects.filter(item__available=True, item__archived_at=None)
    popular = facts.filter(popularity__gt=0).order_by("-popularity", "pk")
    trending = facts.filter(trend__gt=0).order_by("-trend", "pk")
    right_now = facts.filter(trend_now__gt=0).order_by("-trend_now", "pk")
    newest = Item.objects.recommendable().order_by("-pk")
    return Sellers(
        popular=tuple(popular.values_list("pk", flat=True)[:KEPT]),
        trending=_by_turns(
            right_now.values_list("pk", flat=True)[:KEPT],
            trending.values_list("pk", flat=True)[:KEPT],
        ),
        newest=tuple(newest.values_list("pk", flat=True)[:KEPT]),
    )


def _by_turns(*lists: Iterable[int]) -> tuple[int, ...]:
    """The items of the lists one of each in turn, each item once, KEPT of them."""
    turns = chain.from_iterable(zip_longest(*lists))
    return tuple(dict.fromkeys(item for item in turns if item is not None))[:KEPT]
