"""What the merchant linked to the page or the cart, as hints: first among what goes with it."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from types import MappingProxyType

import numpy as np

from catalog.links import find_links
from catalog.models import ItemLink
from profiles.signals import SignalKind
from recommendations.hints import Hint
from recommendations.models import Placement

ASKED = MappingProxyType(
    {
        Placement.Question.ITEM: (ItemLink.Kind.RELATED, ItemLink.Kind.UP_SELL),
        Placement.Question.CART: (ItemLink.Kind.CROSS_SELL,),
    }
)
"""Which links answer a question: beside an item what could be taken instead, beside a cart more."""

WORDS = MappingProxyType(
    {
        ItemLink.Kind.RELATED: "beside {title}",
        ItemLink.Kind.UP_SELL: "beside {title}",
        ItemLink.Kind.CROSS_SELL: "to go with {title}",
    }
)

FIRST, LAST = 2.0, 1.0
"""What a link gives the first and the last of its items: more than the closest neighbor has."""

MOST_ITEMS = 20
"""Of a larger cart so many items are asked about."""


def linked_hints(question: str, item_ids: Collection[int]) -> Iterator[Hint]:
    """A hint for each of these items that the merchant linked others to.

    One query at most; none where the question is another, or the shop has no links.
    """
    kinds = ASKED.get(Placement.Question(question))
    if kinds is None:
        return
    found: defaultdict[str, dict[int, None]] = defaultdict(dict)
    for link in find_links(sorted(item_ids)[:MOST_ITEMS], kinds):
        name = WORDS[ItemLink.Kind(link.kind)].format(title=link.title)
        found[name][link.linked] = None
    for name, linked in found.items():
        items = np.array(list(linked), dtype=np.int64)
        weights = np.linspace(FIRST, LAST, len(items))
        yield Hint(SignalKind.LINKED, name, items, weights)
