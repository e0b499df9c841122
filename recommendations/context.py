"""What we know and may use for one request: the shopper, the page, the settings."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from django.db import DatabaseError, connection
from django.utils import timezone

from profiles.consent import PermittedState, find_state
from profiles.exposure import shown_too_often
from profiles.identity import ShopperRef
from profiles.models import Identity, Purpose
from profiles.mutes import NO_MUTES, Mutes
from profiles.policy import Policy, signal_policy
from profiles.signals import SECONDS_PER_DAY, Signal, SignalKind
from recommendations.circumstances import hints_of
from recommendations.fallbacks import Fallback, note_fallback
from recommendations.hints import Hint, preferred
from recommendations.linked import linked_hints
from recommendations.models import Placement
from recommendations.placements import placement_settings
from recommendations.rules import NO_CIRCUMSTANCES, Circumstances, FrequencyCap, in_force
from recommendations.scoring import OWNED_KINDS, Blend, BlendName, ScoringParams
from recommendations.searched import searched_for
from recommendations.segments import ShopperFacts
from recommendations.values import PlacementSettings, RecommendationRequest
from tenants.errors import DomainError
from tenants.outage import require_database

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundState:
    """The state of the request's shopper where somebody has read it; None without consent."""

    state: PermittedState | None


def build_request(
    placement: str,
    *,
    shopper: ShopperRef | None = None,
    item: str | None = None,
    cart_items: Sequence[str] | None = None,
    limit: int = 10,
    now: datetime | None = None,
    around: Circumstances = NO_CIRCUMSTANCES,
    found: FoundState | None = None,
) -> RecommendationRequest:
    """Read what a slate for this shopper and page may be made of. One or two queries.

    Without consent for personalization nothing of the shopper is read. A shopper whose state
    cannot be read is served as a new one, and what cannot be read of the page is left out.
    `cart_items` replace the cart known from events. Raises DomainError `unknown_placement`,
    `unknown_item` or `item_missing`.
    """
    now = now or timezone.now()
    fallbacks: list[str] = []
    settings, policy = _settings(placement, fallbacks)
    if settings.question == Placement.Question.ITEM and item is None:
        raise DomainError(
            "item_missing",
            "This placement is about an item.",
            fields={"item": "The id of the item on the page."},
        )
    page = _page([name for name in (item, *(cart_items or ())) if name], fallbacks)
    context_ids = [page[item]] if item and item in page else []
    given_cart = [page[name] for name in cart_items or () if name in page]
    if found is None and shopper is not None:
        found = FoundState(_known(shopper, fallbacks))
    known = found.state if found else None
    history = known.signals if known else []
    cart = list(known.cart) if known and cart_items is None else []
    cart += [_page_signal(SignalKind.CART_ITEM, item_id, now) for item_id in given_cart]
    context = [_page_signal(SignalKind.CONTEXT_ITEM, item_id, now) for item_id in context_ids]
    blend = settings.params.blend(_blend_name(settings))
    hints = _preferred(known, policy, blend, fallbacks)
    if settings.question in LATER_THAN_A_SEARCH:
        hints += _searched(known, policy, blend, now, fallbacks)
    if shopper is None or known is not None:
        # Of somebody who is named and does not allow it, not even the country is used.
        hints += _circumstances(around, policy, now, fallbacks)
    hints, policy = _without_sensitive(hints, policy, known, now)
    hints += _linked(settings, policy, {signal.item for signal in (*cart, *context)}, fallbacks)
    again = settings.question == Placement.Question.BUY_AGAIN
    owned = frozenset(signal.item for signal in history if signal.kind in OWNED_KINDS)
    return RecommendationRequest(
        placement=settings,
        blend=blend,
        rules=in_force(settings.rules, now, around),
        limit=limit,
        now=now,
        policy=policy,
        shopper_id=known.shopper_id if known else None,
        personalized=bool(history or cart or _said(hints)),
        signals=(
            *_usable(
                settings,
                policy,
                known.mutes if known else NO_MUTES,
                now,
                history=history,
                cart=cart,
                context=context,
            ),
            *(hint.signal(now) for hint in hints),
        ),
        hints=hints,
        context_item_ids=frozenset(context_ids),
        cart_item_ids=frozenset(signal.item for signal in cart),
        owned_item_ids=frozenset() if settings.repeats_purchases or again else owned,
        only_item_ids=owned if again else None,
        dismissed_item_ids=frozenset(known.dismissed) if known else frozenset(),
        capped_item_ids=_capped(known, settings.guard.cap, now) if known else frozenset(),
        facts=_facts(known, around, now) if known else None,
        shopper_version=known.version if known else "",
        around=around,
        fallbacks=tuple(fallbacks),
    )


def _settings(code: str, fallbacks: list[str]) -> tuple[PlacementSettings, Policy]:
    """The placement's settings and the signal policy.

    A process that never read them and cannot now knows nothing of the shop's wishes: what another
    process served last is all there is then, and it was made by them.
    """
    try:
        return placement_settings(code), signal_policy()
    except DatabaseError:
        note_fallback(Fallback.DATABASE)
        fallbacks.append(Fallback.DATABASE)
        unknown = PlacementSettings(
            code=code,
            question=Placement.Question.HOME,
            diversity=0.0,
            repeats_purchases=False,
            static_item_ids=(),
            rules=(),
            ranker_version=None,
            params=ScoringParams(),
        )
        return unknown, Policy(frozenset(), frozenset())


def _page(external_ids: Collection[str], fallbacks: list[str]) -> dict[str, int]:
    """`_items_on_page`; nothing while the catalog cannot be read."""
    if not external_ids:
        return {}
    return _or_without(Fallback.PAGE, fallbacks, lambda: _items_on_page(external_ids), {})


def _known(shopper: ShopperRef, fallbacks: list[str]) -> PermittedState | None:
    """`_read_shopper`; nobody while the state cannot be read."""
    return _or_without(Fallback.SHOPPER, fallbacks, lambda: _read_shopper(shopper), None)


def _preferred(
    known: PermittedState | None, policy: Policy, blend: Blend, fallbacks: list[str]
) -> tuple[Hint, ...]:
    """What the shopper prefers, as far as it may rank; nothing while it cannot be read."""
    if not known or not known.preferences or SignalKind.PREFERENCE not in policy.may_rank:
        return ()
    return _or_without(
        Fallback.SHOPPER, fallbacks, lambda: tuple(preferred(known.preferences, blend)), ()
    )


def _searched(
    known: PermittedState | None,
    policy: Policy,
    blend: Blend,
    now: datetime,
    fallbacks: list[str],
) -> tuple[Hint, ...]:
    """What the shopper searched for, as far as it may rank; nothing while it cannot be found."""
    if not known or not known.searches or SignalKind.SEARCH not in policy.may_rank:
        return ()
    return _or_without(
        Fallback.SHOPPER, fallbacks, lambda: tuple(searched_for(known.searches, blend, now)), ()
    )


def _circumstances(
    around: Circumstances, policy: Policy, now: datetime, fallbacks: list[str]
) -> tuple[Hint, ...]:
    """What the circumstances of the request say; nothing while that cannot be read."""
    if SignalKind.CIRCUMSTANCE not in policy.may_rank:
        return ()
    return _or_without(Fallback.NEIGHBORS, fallbacks, lambda: tuple(hints_of(around, now)), ())


def _linked(
    settings: PlacementSettings, policy: Policy, item_ids: Collection[int], fallbacks: list[str]
) -> tuple[Hint, ...]:
    """What the merchant linked to the page or the cart; nothing while that cannot be read."""
    if not item_ids or SignalKind.LINKED not in policy.may_rank:
        return ()
    return _or_without(
        Fallback.PAGE, fallbacks, lambda: tuple(linked_hints(settings.question, item_ids)), ()
    )


def _or_without(layer: Fallback, fallbacks: list[str], read: Callable[[], T], nothing: T) -> T:
    """What `read` returns; `nothing`, logged, counted and told, where the layer is out or broken.

    Raises DomainError: that is an answer.
    """
    try:
        return read()
    except DomainError:
        raise
    except Exception:  # noqa: BLE001  # whatever broke, the slate is made of the rest
        note_fallback(layer)
        fallbacks.append(layer)
        return nothing


def _said(hints: Collection[Hint]) -> bool:
    """Whether the shopper said any of it."""
    return any(hint.kind in SAID_KINDS for hint in hints)


SAID_KINDS = frozenset({SignalKind.PREFERENCE, SignalKind.SEARCH})

LATER_THAN_A_SEARCH = frozenset({Placement.Question.HOME, Placement.Question.EMAIL})
"""Questions that a search may answer: a page, a cart or another search is about something else."""

BLENDS: Mapping[str, BlendName] = MappingProxyType(
    {
        Placement.Question.BUY_AGAIN: "buy_again",
        Placement.Question.ITEM: "item",
        Placement.Question.CART: "cart",
        Placement.Question.SEARCH: "search",
        Placement.Question.EMAIL: "email",
    }
)


def _blend_name(settings: PlacementSettings) -> BlendName:
    return BLENDS.get(settings.question, "home" if settings.repeats_purchases else "discovery")


def _usable(
    settings: PlacementSettings,
    policy: Policy,
    mutes: Mutes,
    now: datetime,
    *,
    history: Collection[Signal],
    cart: Collection[Signal],
    context: Collection[Signal],
) -> tuple[Signal, ...]:
    """The signals that this placement ranks by, as far as the policy lets them and the shopper did
    not mute them."""
    asked = (*history,)
    if settings.question == Placement.Question.ITEM:
        asked = (*context, *history)
    elif settings.question == Placement.Question.CART:
        asked = (*cart, *history)
    at, ranks, cover = now.timestamp(), policy.ranks, mutes.cover
    return tuple(
        s
        for s in asked
        if ranks(s.kind, s.item, s.name, s.last_at, at) and not cover(s.kind, s.item, s.name)
    )


def _without_sensitive(
    hints: tuple[Hint, ...], policy: Policy, known: PermittedState | None, now: datetime
) -> tuple[tuple[Hint, ...], Policy]:
    """The hints that may rank and are not muted, and the policy for this request: what is said of
    mostly sensitive items is as sensitive as they are."""
    mutes = known.mutes if known else NO_MUTES
    kept, names = [], set()
    for hint in hints:
        at = now.timestamp() if hint.at is None else hint.at
        if mutes.cover(hint.kind, None, hint.name):
            continue
        if not policy.ranks(hint.kind, 0, hint.name, at, now.timestamp()):
            continue
        if _mostly(hint, policy.unranked):
            continue
        if _mostly(hint, policy.sensitive):
            names.add(hint.name)
        kept.append(hint)
    if names:
        policy = replace(policy, sensitive_names=policy.sensitive_names | names)
    return tuple(kept), policy


def _mostly(hint: Hint, sensitive: frozenset[int]) -> bool:
    """Whether at least half of what a hint speaks for is sensitive."""
    if not sensitive:
        return False
    items = hint.items.tolist()
    return 2 * sum(item in sensitive for item in items) >= len(items) > 0


def _facts(known: PermittedState, around: Circumstances, now: datetime) -> ShopperFacts:
    """What segments may ask, as far as it is known before ranking."""
    return ShopperFacts(
        now.timestamp(),
        preferences=known.preferences,
        traits=known.traits,
        country=around.country,
    )


def _capped(known: PermittedState, cap: FrequencyCap | None, now: datetime) -> frozenset[int]:
    """The items that this shopper was shown too often here."""
    if cap is None or not known.seen:
        return frozenset()
    since = now.timestamp() - cap.days * SECONDS_PER_DAY
    reacted = {signal.item for signal in known.signals if signal.last_at >= since}
    return shown_too_often(
        known.seen, most=cap.impressions, days=cap.days, now=now, reacted=reacted
    )


def _page_signal(kind: SignalKind, item_id: int, now: datetime) -> Signal:
    return Signal(item_id, kind, strength=1.0, last_at=now.timestamp(), count=1)


def _read_shopper(ref: ShopperRef) -> PermittedState | None:
    """The state of a shopper who grants personalization; None for anyone else. One query."""
    require_database()
    if ref.known:
        return find_state(Identity.Kind.KNOWN, ref.known, Purpose.PERSONALIZATION)
    return find_state(Identity.Kind.ANONYMOUS, ref.anonymous or "", Purpose.PERSONALIZATION)


def _items_on_page(external_ids: Collection[str]) -> dict[str, int]:
    """Item ids of what the storefront says is on the page or in the cart. Raises `unknown_item`."""
    require_database()
    with connection.cursor() as cursor:
        # By hand, for the reason of `profiles.consent.READ_STATE`.
        cursor.execute(
            "SELECT external_id, id FROM catalog_item WHERE external_id = ANY(%s)",
            [list(external_ids)],
        )
        found: dict[str, int] = dict(cursor.fetchall())
    if missing := [name for name in external_ids if name not in found]:
        raise DomainError(
            "unknown_item",
            "There is no such item.",
            fields={"item": f"Unknown: {', '.join(name[:50] for name in missing[:5])}."},
        )
    return found
