"""From a ledger to the one sentence that is shown: the strongest contribution that may be cited."""

from collections.abc import Mapping
from types import MappingProxyType

from profiles.policy import Policy
from profiles.signals import SignalKind
from recommendations.scoring import CONSIDERED_KINDS
from recommendations.values import Ledger, Reason

NEIGHBOR_WORDS = {
    SignalKind.PURCHASE: "Because you bought {title}",
    SignalKind.VIEW: "Because you looked at {title}",
    SignalKind.CLICK: "Because you looked at {title}",
    SignalKind.WISHLIST: "Because {title} is on your wishlist",
    SignalKind.ADD_TO_CART: "Because you put {title} in your cart",
    SignalKind.RATING: "Because you rated {title}",
    SignalKind.REVIEW: "Because you reviewed {title}",
    SignalKind.CONTEXT_ITEM: "Often chosen with {title}",
    SignalKind.PREFERENCE: "You prefer {name}",
    SignalKind.CIRCUMSTANCE: "Often chosen on visits like this: {name}",
    SignalKind.SEARCH: "You searched for “{name}”",
    SignalKind.CART_ITEM: "Goes with {title} in your cart",
    SignalKind.LINKED: "Chosen by the shop {name}",
}
CONTENT_WORDS = {
    SignalKind.PURCHASE: "Similar to {title}, which you bought",
    SignalKind.VIEW: "Similar to {title}, which you looked at",
    SignalKind.CLICK: "Similar to {title}, which you looked at",
    SignalKind.WISHLIST: "Similar to {title} on your wishlist",
    SignalKind.ADD_TO_CART: "Similar to {title}, which you put in your cart",
    SignalKind.RATING: "Similar to {title}, which you rated",
    SignalKind.REVIEW: "Similar to {title}, which you reviewed",
    SignalKind.CONTEXT_ITEM: "Similar to {title}",
    SignalKind.CART_ITEM: "Similar to {title} in your cart",
}
OWN_WORDS = {
    SignalKind.PURCHASE: "You bought this before",
    SignalKind.VIEW: "You looked at this before",
    SignalKind.CLICK: "You looked at this before",
    SignalKind.WISHLIST: "It is on your wishlist",
    SignalKind.ADD_TO_CART: "You put this in your cart before",
    SignalKind.RATING: "You rated this before",
    SignalKind.REVIEW: "You reviewed this before",
}
WORDS: Mapping[str, Mapping[SignalKind, str]] = {
    "neighbors": NEIGHBOR_WORDS,
    "content": CONTENT_WORDS,
    "buy_again": OWN_WORDS,
    "revisit": OWN_WORDS,
    "popularity": {SignalKind.POPULAR: "Popular this month"},
    "trend": {SignalKind.TRENDING: "Trending this week"},
    "trend_now": {SignalKind.TRENDING: "Trending now"},
    "rule": {SignalKind.RULE: "Promoted by the shop"},
}
PROMOTED = WORDS["rule"][SignalKind.RULE]

NO_LABELS: Mapping[str, str] = MappingProxyType({})


def explain(
    ledger: Ledger,
    *,
    policy: Policy,
    named: Mapping[int, tuple[str, str]],
    pinned_by: str = "",
    labels: Mapping[str, str] = NO_LABELS,
) -> Reason | None:
    """The reason for an item: its strongest contribution that may be cited and can be worded.

    An item pinned by a rule of the name `pinned_by` is shown because the shop wants it, so that
    is what its reason says. `labels` are what the shop calls its promotions, by rule.

    None when nothing may be cited; better no reason than one that is not the truth. `ledger` is
    ordered from the strongest down, `named` holds external id and title of items a reason may name.
    """
    if pinned_by and SignalKind.RULE in policy.may_cite:
        # A pin adds nothing to the score, and is why the item is there all the same.
        for position, contribution in enumerate(ledger):
            if contribution.generator == "rule" and contribution.signal.name == pinned_by:
                return Reason(SignalKind.RULE, PROMOTED, (position,))
    bought: frozenset[int | None] | None = None
    signals, may_cite = ledger.signals, policy.may_cite
    for position, (index, generator, amount) in enumerate(ledger.entries):
        signal = signals[index]
        if amount <= 0 or not policy.cites(signal.kind, signal.item_id, signal.name):
            continue
        if signal.kind in CONSIDERED_KINDS and SignalKind.PURCHASE in may_cite:
            # What was looked at, or put in the cart, and then bought: say that it was bought.
            bought = _bought(ledger) if bought is None else bought
            if signal.item_id in bought:
                continue
        words = WORDS[generator].get(SignalKind(signal.kind))
        if words is None:
            continue
        _, title = named.get(signal.item_id or 0, (None, None))
        if "{title}" in words and title is None:
            continue
        if generator == "rule" and (label := labels.get(signal.name or "")):
            return Reason(signal.kind, f"{words}: {label}", (position,))
        return Reason(signal.kind, words.format(title=title, name=signal.name), (position,))
    return None


def _bought(ledger: Ledger) -> frozenset[int | None]:
    """The items whose purchase speaks for this one and can be said."""
    signals = (ledger.signals[index] for index, _, amount in ledger.entries if amount > 0)
    return frozenset(s.item_id for s in signals if s.kind == SignalKind.PURCHASE)
