"""How staff find a shopper and what belongs to one: by any id the storefront uses."""

from catalog.models import Item
from profiles.models import Identity, Shopper

MAX_FOUND = 200


def find_shopper_ids(text: str) -> list[int]:
    """Shoppers whose external id begins with `text`, or who have it as an identity.

    At most MAX_FOUND. Two look-ups by index.
    """
    if not text:
        return []
    known = Shopper.objects.filter(external_id__startswith=text).order_by("pk")
    identities = Identity.objects.filter(kind__in=Identity.Kind.values, value=text)
    found = [
        *known.values_list("pk", flat=True)[:MAX_FOUND],
        *identities.values_list("shopper_id", flat=True),
    ]
    return list(dict.fromkeys(found))


def find_item_ids(text: str) -> list[int]:
    """The item with exactly this external id, as a list of one or none. One look-up by index."""
    return list(Item.objects.filter(external_id=text).values_list("pk", flat=True))
