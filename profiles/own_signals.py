"""What ranking reads of one shopper, as the shopper may see it: each signal, and what it may do."""

from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.models import Item
from profiles.consent import find_state
from profiles.models import Identity, Purpose, Shopper
from profiles.policy import signal_policy
from profiles.signals import SignalKind, faded


@dataclass(frozen=True, slots=True)
class OwnSignal:
    """One signal. `strength` is as of now; `item` and `title` are empty for what has a name."""

    kind: str
    item: str | None
    title: str | None
    name: str | None
    strength: float
    events: int
    at: datetime | None
    may_rank: bool
    may_cite: bool
    muted: bool


def own_signals(shopper: Shopper, *, now: datetime) -> list[OwnSignal]:
    """Every signal of the shopper that ranking could read, the latest first.

    Nothing without consent for personalization: then nothing is read. Two queries.
    """
    state = find_state(Identity.Kind.KNOWN, shopper.external_id or "", Purpose.PERSONALIZATION)
    if state is None:
        return []
    policy, at = signal_policy(), now.timestamp()
    signals = [*state.signals, *state.cart]
    named = {
        pk: (external_id, title)
        for pk, external_id, title in Item.objects.filter(
            pk__in={signal.item for signal in signals}
        ).values_list("pk", "external_id", "title")
    }
    told = []
    for signal in signals:
        external_id, title = named.get(signal.item, (None, None))
        ranks = policy.ranks(signal.kind, signal.item, None, signal.last_at, at)
        told.append(
            OwnSignal(
                kind=signal.kind,
                item=external_id,
                title=title,
                name=None,
                strength=faded(signal.strength, max(at - signal.last_at, 0.0)),
                events=signal.count,
                at=datetime.fromtimestamp(signal.last_at, UTC),
                may_rank=ranks,
                may_cite=ranks and policy.cites(signal.kind, signal.item, None),
                muted=state.mutes.cover(signal.kind, signal.item, None),
            )
        )
    said: list[tuple[str, str, float | None]] = [
        (SignalKind.PREFERENCE, f"{key} {value}", None) for key, value in state.preferences.items()
    ]
    said += [(SignalKind.SEARCH, search.text, search.at) for search in state.searches]
    for kind, name, when in said:
        ranks = policy.ranks(kind, 0, name, at if when is None else when, at)
        told.append(
            OwnSignal(
                kind=kind,
                item=None,
                title=None,
                name=name,
                strength=1.0,
                events=1,
                at=None if when is None else datetime.fromtimestamp(when, UTC),
                may_rank=ranks,
                may_cite=ranks and policy.cites(kind, None, name),
                muted=state.mutes.cover(kind, None, name),
            )
        )
    return sorted(told, key=lambda each: each.at or now, reverse=True)
