"""Chance that repeats: one random stream per name, the same on every run and machine."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")


def chance(*names: str | int) -> np.random.Generator:
    """The random stream of these names. Streams of different names are independent.

    Each thing draws from a stream of its own name, so adding an item to a catalog leaves the
    price, the stock and the words of all others as they were.
    """
    digest = hashlib.sha256("\x1f".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def pick(options: Sequence[Option], rng: np.random.Generator) -> Option:
    """One of the options, all equally likely."""
    # Generator.choice copies its options into an array, which costs ten times as much.
    return options[int(rng.integers(len(options)))]
