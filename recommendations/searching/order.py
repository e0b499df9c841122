"""The order of results: by relevance, and among near-equal ones by what the shopper prefers."""

from collections.abc import Mapping, Sequence

from catalog.search.values import Hit
from profiles.signals import HISTORY_KINDS, SignalKind
from recommendations.fallbacks import Fallback, note_fallback
from recommendations.recommend import ledgers_of
from recommendations.searching.personal_order import bonus, in_personal_order, relevances
from recommendations.values import Contribution, Ledger, RecommendationRequest, SignalRef

WINDOW = 100
"""Results that may change places. The same on every page, so that no item is on two of them."""

PERSONAL_KINDS = frozenset({*HISTORY_KINDS, SignalKind.CART_ITEM})


class Ordered:
    """Hits in the order in which they are shown, each with its relevance and its ledger."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        self.relevance = dict(
            zip([h.item_id for h in hits], relevances([h.score for h in hits]), strict=True)
        )
        self.item_ids = list(self.relevance)
        self._bonuses: dict[int, list[Contribution]] = {}
        self.personalized = False

    def personalize(self, request: RecommendationRequest, fallbacks: list[str]) -> None:
        """Let near-equal results change places. Two queries; what fails is noted, not raised."""
        window = self.item_ids[:WINDOW]
        try:
            ledgers = ledgers_of(request, window)
        except Exception:  # noqa: BLE001  # an order is a courtesy; the results are there
            note_fallback(Fallback.PERSONAL_ORDER)
            fallbacks.append(Fallback.PERSONAL_ORDER)
            return
        self._bonuses = {
            item: bonus(c for c in ledger if c.signal.kind in PERSONAL_KINDS)
            for item, ledger in ledgers.items()
        }
        sums = {item: sum(c.amount for c in given) for item, given in self._bonuses.items()}
        found = [(item, self.relevance[item]) for item in window]
        self.item_ids[:WINDOW] = in_personal_order(found, sums)
        self.personalized = any(sums.values())

    def ledgers(self, item_ids: Sequence[int]) -> Mapping[int, Ledger]:
        """What each item was ordered by; they share one table of signals."""
        table: list[SignalRef] = [SignalRef(SignalKind.QUERY)]
        places: dict[SignalRef, int] = {}
        made = {}
        for item in item_ids:
            entries = [(0, "relevance", self.relevance[item])]
            for contribution in self._bonuses.get(item, ()):
                place = places.setdefault(contribution.signal, len(table))
                if place == len(table):
                    table.append(contribution.signal)
                entries.append((place, contribution.generator, contribution.amount))
            made[item] = Ledger(table, entries)
        return made
