"""What learns from shoppers' events, and is told when somebody stops or begins to allow it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Learner:
    """`forget` takes what these shoppers did off what was learned, and is called while it may
    still be read; `count_in` is called when it may be read again. Both run in the transaction that
    changes the consents, which has the shoppers locked."""

    forget: Callable[[Collection[int]], None]
    count_in: Callable[[Collection[int]], None]


_learners: list[Learner] = []


def register_learner(learner: Learner) -> None:
    """Called once, by the app that learns."""
    _learners.append(learner)


def forget_what_was_learned(shoppers: Collection[int]) -> None:
    """Before research is withdrawn for these shoppers."""
    if shoppers:
        for learner in _learners:
            learner.forget(shoppers)


def count_in_again(shoppers: Collection[int]) -> None:
    """After research was granted by these shoppers."""
    if shoppers:
        for learner in _learners:
            learner.count_in(shoppers)
