"""What sells, for every shopper alike: settled, and read anew when facts or catalog change."""

from typing import cast

from catalog.models import Item
from recommendations.models import ItemFacts
from recommendations.values import Sellers
from tenants.settled import settled

KEPT = 600
"""Of each list: enough for the longest slate when half of the items are sold out."""


def sellers() -> Sellers:
    """The tenant's lists; three queries when they are not settled."""
    return cast("Sellers", settled("sellers", _read))


def _read() -> Sellers:
    facts = ItemFacts.objects.filter(item__available=True, item__archived_at=None)
    popular = facts.filter(popularity__gt=0).order_by("-popularity", "pk")
    trending = facts.filter(trend__gt=0).order_by("-trend", "pk")
    newest = Item.objects.recommendable().order_by("-pk")
    return Sellers(
        popular=tuple(popular.values_list("pk", flat=True)[:KEPT]),
        trending=tuple(trending.values_list("pk", flat=True)[:KEPT]),
        newest=tuple(newest.values_list("pk", flat=True)[:KEPT]),
    )
