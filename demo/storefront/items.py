"""Finding one item, and the same thing in other colors."""

from dataclasses import dataclass

from django.urls import reverse

from catalog.models import Item


@dataclass(frozen=True, slots=True)
class ColorLink:
    """The same thing in one color. `here` is True for the color on the page."""

    color: str
    address: str
    here: bool


def find_item(external_id: str) -> Item | None:
    """The item with its offer as it is now, also one that is sold out; None if there is none."""
    if "\x00" in external_id:  # which Postgres cannot even compare with
        return None
    return (
        Item.objects.filter(external_id=external_id, archived_at=None)
        .select_related("offer")
        .first()
    )


def colors_of(item: Item) -> list[ColorLink]:
    """The colors that the thing comes in, if it comes in several."""
    if not item.group_id:
        return []
    variants = Item.objects.filter(group_id=item.group_id, available=True, archived_at=None)
    links = [
        ColorLink(
            color=str(variant.attributes["color"]),
            address=reverse("demo:item", args=[variant.external_id]),
            here=variant.pk == item.pk,
        )
        for variant in variants
        if variant.attributes.get("color")
    ]
    return links if len(links) > 1 else []
