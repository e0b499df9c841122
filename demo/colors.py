"""What a color of the demo catalogs looks like and what can be said of it."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

COLOR_VOCABULARY = Path(__file__).parent / "vocabulary" / "colors.toml"


@dataclass(frozen=True, slots=True)
class Color:
    """A named color: `#rrggbb`, and sentences that a description may use."""

    name: str
    hex: str
    notes: tuple[str, ...]


@cache
def colors() -> dict[str, Color]:
    """Every color by its name."""
    entries = tomllib.loads(COLOR_VOCABULARY.read_text(encoding="utf-8"))
    return {
        name: Color(name=name, hex=entry["hex"], notes=tuple(entry["notes"]))
        for name, entry in entries.items()
    }


def mixed(one: str, other: str, share: float) -> str:
    """`one` with a `share` (0 to 1) of `other`, both and the result as `#rrggbb`."""
    return "#" + "".join(
        f"{round(a + (b - a) * share):02x}" for a, b in zip(_bytes(one), _bytes(other), strict=True)
    )


def lightness(color: str) -> float:
    """How bright `#rrggbb` looks, from 0 to 1 (the luma weights of ITU-R BT.601)."""
    red, green, blue = _bytes(color)
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def _bytes(color: str) -> bytes:
    return bytes.fromhex(color.removeprefix("#"))
