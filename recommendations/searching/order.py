"""The order of results: by relevance, near-equal ones by taste, and what the shop wants first."""

from collections.abc import Mapping, Sequence

from catalog.search.values import Hit
from profiles.signals import HISTORY_KINDS, SignalKind
from recommendations.recommend import weigh
from recommendations.rules import RuleKind
from recommendations.searching.personal_order import bonus, in_personal_order, relevances
from recommendations.values import Contribution, Ledger, RecommendationRequest, SignalRef

WINDOW = 100
"""Results that may change places. The same on every page, so that no item is on two of them."""

PERSONAL_KINDS = frozenset({*HISTORY_KINDS, SignalKind.CART_ITEM})


class Ordered:
    """Hits in the order in which they are shown, each with its relevance and its ledger."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        scores = relevances([hit.score for hit in hits])
        self.relevance = dict(zip([hit.item_id for hit in hits], scores, strict=True))
        self.item_ids = list(self.relevance)
        self.matching = frozenset(hit.item_id for hit in hits if hit.matches)
        self.excluded: frozenset[int] = frozenset()
        self.personalized = False
        self._moved: dict[int, list[Contribution]] = {}

    def weigh(self, request: RecommendationRequest, *, reorder: bool, narrowed: bool) -> None:
        """Let the shopper's signals and the merchant's rules have their say. Two queries.

        Without `reorder` rules only exclude. A pinned item comes even if it was not found, unless
        the search is `narrowed` by demands that nobody has asked it about.
        """
        brought = pinned_items(request) if reorder and not narrowed else ()
        weighed = weigh(request, {*self.item_ids, *brought})
        self.excluded = weighed.excluded & self.relevance.keys()
        self.item_ids = [item for item in self.item_ids if item not in weighed.excluded]
        if not reorder:
            return
        wishes: dict[int, float] = {}
        tastes: dict[int, float] = {}
        for item, ledger in weighed.ledgers.items():
            taste = bonus(c for c in ledger if c.signal.kind in PERSONAL_KINDS)
            rules = [c for c in ledger if c.signal.kind == SignalKind.RULE]
            self._moved[item] = [*taste, *rules]
            tastes[item] = sum(c.amount for c in taste)
            wishes[item] = sum(c.amount for c in rules)
        self.personalized = any(tastes.values())
        self._reorder(tastes, wishes)
        self._pin({i: at for i, at in weighed.pins.items() if i not in weighed.excluded})

    def _reorder(self, tastes: Mapping[int, float], wishes: Mapping[int, float]) -> None:
        """Taste moves within the band. The merchant's wishes are added to relevance as they are."""
        window = self.item_ids[:WINDOW]
        wished = [(item, self.relevance[item] + wishes.get(item, 0.0)) for item in window]
        self.item_ids[:WINDOW] = in_personal_order(wished, tastes)

    def _pin(self, pins: Mapping[int, int]) -> None:
        """Pinned items at their places, or before everything else; the others keep their order."""
        if not pins:
            return
        for item in pins:
            self.relevance.setdefault(item, 0.0)
        rest = [item for item in self.item_ids if item not in pins]
        anywhere = [item for item, position in pins.items() if not position]
        self.item_ids = [*anywhere, *rest]
        for item, position in sorted(pins.items(), key=lambda pin: pin[1]):
            if position:
                self.item_ids.insert(position - 1, item)

    def ledgers(self, item_ids: Sequence[int]) -> Mapping[int, Ledger]:
        """What each item was ordered by; they share one table of signals."""
        table: list[SignalRef] = [SignalRef(SignalKind.QUERY)]
        places: dict[SignalRef, int] = {}
        made = {}
        for item in item_ids:
            entries = [(0, "relevance", self.relevance[item])]
            for contribution in self._moved.get(item, ()):
                place = places.setdefault(contribution.signal, len(table))
                if place == len(table):
                    table.append(contribution.signal)
                entries.append((place, contribution.generator, contribution.amount))
            made[item] = Ledger(table, entries)
        return made


def pinned_items(request: RecommendationRequest) -> set[int]:
    """The items that rules of the request pin."""
    return {
        rule.target.item_id
        for rule in request.rules
        if rule.kind == RuleKind.PIN and rule.target.item_id is not None
    }
