"""What kinds of people come to the demo shops, read from the vocabulary file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

VOCABULARY = Path(__file__).parent / "vocabulary"


@dataclass(frozen=True, slots=True)
class Persona:
    """A kind of person: how many there are, what they do, which types of items they look at."""

    share: float
    does: tuple[str, ...]
    types: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Public:
    """Everyone who may come to one tenant's shop."""

    everyday: Mapping[str, float]
    """What anyone may look at: weight per first part of the category path."""
    personas: tuple[Persona, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """First names of women and men, and last names."""

    women: tuple[str, ...]
    men: tuple[str, ...]
    family: tuple[str, ...]


@cache
def public_of(tenant: str) -> Public:
    """The public of `shop` or `academy`."""
    entry = _read("personas")[tenant]
    return Public(
        everyday=entry["everyday"],
        personas=tuple(
            Persona(share=each["share"], does=tuple(each["does"]), types=each["types"])
            for each in entry["persona"]
        ),
    )


@cache
def names() -> Names:
    """Names from many places."""
    entry = _read("people")
    return Names(
        women=tuple(entry["women"]), men=tuple(entry["men"]), family=tuple(entry["family"])
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((VOCABULARY / f"{name}.toml").read_text(encoding="utf-8"))
