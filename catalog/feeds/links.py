"""Where an item and its pictures are to be found on the web."""

import re
from typing import Final

from catalog.feeds.rows import FeedErrorCode
from catalog.feeds.values import BadValue, parse_lines, parse_text, shorten

MAX_ADDRESS_CHARS: Final = 2000
MAX_IMAGES: Final = 300

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)

# Addresses may hold commas ("/w_300,h_300/"), so a separator counts only before a new address.
# One character, not a run of them: a run followed by no address would take quadratic time.
_BETWEEN_ADDRESSES: Final = re.compile(r"[,;|\s](?=https?://|/)")


def parse_address(raw: object, *, base: str) -> str:
    """An http(s) address, or a path, which is put behind `base`.

    Any other scheme is refused: a storefront that links to "javascript:…" runs it.
    """
    address = parse_text(raw)
    scheme = _SCHEME.match(address)
    if scheme is not None and scheme[0].lower() not in ("http:", "https:"):
        raise BadValue(
            FeedErrorCode.INVALID_ADDRESS,
            f"“{shorten(raw)}” is neither an http(s) address nor a path.",
        )
    if scheme is None and base and not address.startswith("//"):
        address = f"{base.rstrip('/')}/{address.lstrip('/')}"
    if len(address) > MAX_ADDRESS_CHARS:
        raise BadValue(
            FeedErrorCode.TOO_LONG, f"The address has over {MAX_ADDRESS_CHARS:,} characters."
        )
    return address


def parse_images(raw: object, *, base: str, list_separator: str) -> list[str]:
    """The addresses in one cell or JSON list, in order."""
    parts = raw if isinstance(raw, list) else _split_images(parse_lines(raw), list_separator)
    if len(parts) > MAX_IMAGES:
        raise BadValue(
            FeedErrorCode.TOO_MANY_VALUES,
            f"There are {len(parts)} images; {MAX_IMAGES} are allowed.",
        )
    return [address for part in parts if (address := parse_address(part, base=base))]


def _split_images(text: str, list_separator: str) -> list[str]:
    text = text.strip()
    if text.lower().startswith(("http:", "https:", "/")):
        return [part.strip(" ,;|\t\n") for part in _BETWEEN_ADDRESSES.split(text)]
    return [part.strip() for part in text.split(list_separator) if part.strip()]
