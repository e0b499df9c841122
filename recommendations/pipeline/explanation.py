"""From a ledger to the one sentence that is shown: the strongest contribution that may be cited."""

from collections.abc import Mapping

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
    SignalKind.CART_ITEM: "Goes with {title} in your cart",
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
    "rule": {SignalKind.RULE: "Featured by the shop"},
}


def explain(
    ledger: Ledger,
    *,
    policy: Policy,
    named: Mapping[int, tuple[str, str]],
    pinned: bool = False,
) -> Reason | None:
    """The reason for an item: its strongest contribution that may be cited and can be worded.

    A `pinned` item is shown because the shop wants it, so that is what its reason says.

    None when nothing may be cited; better no reason than one that is not the truth. `ledger` is
    ordered from the strongest down, `named` holds external id and title of items a reason may name.
    """
    if pinned and SignalKind.RULE in policy.may_cite:
        # A pin adds nothing to the score, and is why the item is on top all the same.
        pin = next(n for n, (_, generator, _) in enumerate(ledger.entries) if generator == "rule")
        return Reason(SignalKind.RULE, WORDS["rule"][SignalKind.RULE], (pin,))
    bought: frozenset[int | None] | None = None
    for position, contribution in enumerate(ledger):
        signal = contribution.signal
        if contribution.amount <= 0 or signal.kind not in policy.may_cite:
            continue
        if signal.kind in CONSIDERED_KINDS and SignalKind.PURCHASE in policy.may_cite:
            # What was looked at, or put in the cart, and then bought: say that it was bought.
            bought = _bought(ledger) if bought is None else bought
            if signal.item_id in bought:
                continue
        words = WORDS[contribution.generator].get(SignalKind(signal.kind))
        if words is None:
            continue
        _, title = named.get(signal.item_id or 0, (None, None))
        if "{title}" in words and title is None:
            continue
        return Reason(signal.kind, words.format(title=title), (position,))
    return None


def _bought(ledger: Ledger) -> frozenset[int | None]:
    """The items whose purchase speaks for this one and can be said."""
    signals = (ledger.signals[index] for index, _, amount in ledger.entries if amount > 0)
    return frozenset(s.item_id for s in signals if s.kind == SignalKind.PURCHASE)
