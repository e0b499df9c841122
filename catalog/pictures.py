"""Which picture of an item a page may show."""

from collections.abc import Iterable

SHOWN = ("https://", "http://", "/", "data:image/")
"""How an address begins that a browser may be given as a picture: nothing that could run."""


def first_picture(addresses: Iterable[str]) -> str:
    """The first address that may be shown, or an empty string."""
    return next((address for address in addresses if address.lower().startswith(SHOWN)), "")
