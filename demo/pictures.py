"""What an item of the demo catalogs looks like: a drawing in the item's color, as SVG text.

The drawings in `drawings/` are ordinary SVG files painted in six key colors; a picture is such
a drawing with the key colors replaced by shades of the item's color, set on a soft backdrop.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from demo.chance import chance, pick
from demo.colors import colors, lightness, mixed
from demo.course_catalog import CourseListing, academy_listings
from demo.course_tracks import tracks
from demo.shop_catalog import Listing, shop_listings

DRAWINGS = Path(__file__).parent / "drawings"

KEY_MAIN, KEY_DARK, KEY_LIGHT = "#5b8db1", "#466f8c", "#8fb3cb"
KEY_PALE, KEY_DEEP, KEY_ACCENT = "#d3e1ea", "#2f4c60", "#e3a548"
CORAL_ACCENT = "#c8584a"
YELLOWS = frozenset({"mustard", "sunflower yellow", "apricot", "brass"})

PAPER = "#fffdf8"
# What is nearly white needs a backdrop that is not.
BACKDROPS_FOR_LIGHT = ("#9fb4bf", "#a9b8a0", "#cfa99b", "#b3aabf", "#c4b08a")
COURSE_COLORS = ("petrol", "terracotta", "moss green", "plum", "indigo", "rust", "teal", "slate")

BACKDROP_SHAPES = (
    '<circle cx="200" cy="206" r="152" fill="{}"/>',
    '<path d="M62 400V200A138 138 0 0 1 338 200V400Z" fill="{}"/>',
    '<rect x="84" y="38" width="276" height="276" rx="72" fill="{}" transform="rotate(8)"/>',
)
SHADOW = (
    '<filter id="demo-shadow" x="-20%" y="-20%" width="140%" height="150%">'
    '<feDropShadow dx="0" dy="9" stdDeviation="9" flood-color="#2a2018" flood-opacity=".2"/>'
    "</filter>"
)
BADGES = {
    "plan": '<path d="M300 324L330 310L360 324L330 338ZM312 332V346Q330 356 348 346V332" {}/>',
    "lesson": '<path d="M320 308L348 325L320 342Z" {}/>',
    "article": '<path d="M314 312H346M314 325H346M314 338H334" {}/>',
}


def picture(item_id: str) -> str:
    """The picture of an item of either demo catalog as an SVG document under 4 KB.

    Raises KeyError for an id that is in neither.
    """
    if listing := _products().get(item_id):
        return _picture_of_product(listing)
    return _picture_of_course(_courses()[item_id])


@cache
def _products() -> Mapping[str, Listing]:
    return {listing.item.external_id: listing for listing in shop_listings()}


@cache
def _courses() -> Mapping[str, CourseListing]:
    return {listing.item.external_id: listing for listing in academy_listings()}


def _picture_of_product(listing: Listing) -> str:
    return _composed(
        listing.item.external_id, drawing=listing.model.drawing, color_name=listing.color
    )


def _picture_of_course(listing: CourseListing) -> str:
    """The drawing changes from lesson to lesson, the color is that of the track."""
    track = listing.track
    color_name = COURSE_COLORS[tracks().index(track) % len(COURSE_COLORS)]
    paint = colors()[color_name].hex
    badge = BADGES[listing.item.kind].format(
        f'fill="none" stroke="{paint}" stroke-width="6"'
        if listing.item.kind == "article"
        else f'fill="{paint}" stroke="{paint}" stroke-width="4"'
    )
    dots = "".join(
        f'<circle cx="{44 + 22 * place}" cy="44" r="7" fill="{paint}" '
        f'opacity="{1 if place < listing.position else 0.25}"/>'
        for place in range(len(track.lessons))
    )
    return _composed(
        listing.item.external_id,
        drawing=track.drawings[listing.position % len(track.drawings)],
        color_name=color_name,
        overlay=f'<circle cx="330" cy="325" r="42" fill="{PAPER}"/>{badge}'
        + (dots if listing.item.kind == "lesson" else ""),
    )


def _composed(item_id: str, *, drawing: str, color_name: str, overlay: str = "") -> str:
    color = colors()[color_name].hex
    rng = chance("backdrop", item_id)
    shape = pick(BACKDROP_SHAPES, rng)
    ground = color if lightness(color) < 0.72 else pick(BACKDROPS_FOR_LIGHT, rng)
    strength = 0.0 if ground == color else 0.28
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" '
        'stroke-linecap="round" stroke-linejoin="round">'
        f'{SHADOW}<rect width="400" height="400" fill="{mixed(ground, PAPER, 0.84 - strength)}"/>'
        f"{shape.format(mixed(ground, PAPER, 0.69 - strength))}"
        f'<g filter="url(#demo-shadow)">{_painted(drawing, color_name)}</g>{overlay}</svg>'
    )


def _painted(drawing: str, color_name: str) -> str:
    """The shapes of a drawing in shades of the color."""
    color = colors()[color_name].hex
    shapes = _shapes(drawing)
    for key, shade in {
        KEY_MAIN: color,
        KEY_DARK: mixed(color, "#1c2733", 0.22),
        KEY_LIGHT: mixed(color, "#ffffff", 0.32),
        KEY_PALE: mixed(color, "#ffffff", 0.78),
        KEY_DEEP: mixed(color, "#141c26", 0.62),
        KEY_ACCENT: CORAL_ACCENT if color_name in YELLOWS else KEY_ACCENT,
    }.items():
        shapes = shapes.replace(key, shade)
    return shapes


@cache
def _shapes(drawing: str) -> str:
    """What is inside the `svg` element of a drawing file, on one line."""
    document = (DRAWINGS / f"{drawing}.svg").read_text(encoding="utf-8")
    inside = document[document.index(">") + 1 : document.rindex("</svg>")]
    return "".join(line.strip() for line in inside.splitlines())
