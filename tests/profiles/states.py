"""A shopper's online state in a form that tests compare."""

from dataclasses import dataclass

from profiles.models import Shopper, ShopperState
from profiles.state import signals_of


@dataclass(frozen=True)
class KnownSignal:
    """A signal without what rounding and the order of arrival may change: a strength to 1e-9."""

    item: int
    kind: str
    strength: float
    last_at: float
    count: int


@dataclass(frozen=True)
class KnownState:
    history: tuple[KnownSignal, ...]
    cart: tuple[tuple[int, float], ...]
    dismissed: tuple[int, ...]
    searches: tuple[str, ...] = ()


def find_state(shopper: Shopper) -> KnownState | None:
    """The stored state; None where there is none."""
    row = ShopperState.stored.filter(shopper=shopper).first()
    if row is None:
        return None
    return KnownState(
        history=tuple(
            sorted(
                (
                    KnownSignal(s.item, s.kind, round(s.strength, 9), s.last_at, s.count)
                    for s in signals_of(row)
                ),
                key=lambda s: (s.item, s.kind),
            )
        ),
        cart=tuple(sorted((int(item), at) for item, (at, _) in row.cart["items"].items())),
        dismissed=tuple(sorted(row.dismissed)),
        searches=tuple(text for text, _, _ in row.searches),
    )


def state_of(shopper: Shopper) -> KnownState:
    state = find_state(shopper)
    assert state is not None
    return state
