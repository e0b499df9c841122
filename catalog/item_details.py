"""One item with all that belongs on its page: offer, rating, variants and reviews."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, Q, QuerySet, When

from catalog.models import Item, ItemRating, Offer, Review

MAX_VARIANTS = 500
NEWEST_REVIEWS = 5


@dataclass(frozen=True, slots=True)
class Variants:
    """The items of a group that are sold: the one in question first, then those in stock.

    `attributes` are the names in which they differ, such as size and color.
    """

    attributes: tuple[str, ...]
    items: tuple[Item, ...]


def find_item(external_id: str) -> Item | None:
    """The listed item with offer, rating and quality; None if there is none. One query."""
    related = ("offer", "rating", "quality")
    found = Item.objects.filter(external_id=external_id, archived_at=None)
    return found.select_related(*related).first()


def variants_of(item: Item) -> Variants:
    """The item and its siblings; of an item without a group none. One query."""
    if not item.group_id:
        return Variants((), ())
    here = Case(When(pk=item.pk, then=0), When(Q(offer__stock=0), then=2), default=1)
    siblings = Item.objects.filter(group_id=item.group_id, available=True, archived_at=None)
    items = tuple(siblings.select_related("offer").order_by(here, "pk")[:MAX_VARIANTS])
    return Variants(_differing(items), items)


def _differing(items: tuple[Item, ...]) -> tuple[str, ...]:
    """Names of attributes that have more than one value among the items."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for item in items:
        for name, value in item.attributes.items():
            values[name].add(repr(value))
    return tuple(sorted(name for name, told in values.items() if len(told) > 1))


def newest_reviews(item: Item, limit: int = NEWEST_REVIEWS) -> QuerySet[Review]:
    """The newest reviews of the item and of its variants."""
    of_group = Q(item__group_id=item.group_id) if item.group_id else Q(item=item)
    reviews = Review.objects.filter(of_group).order_by(F("written_at").desc(nulls_last=True), "-pk")
    return reviews[:limit]


def as_json(item: Item) -> dict[str, Any]:
    """An item as the API shows it. Reads offer and rating, which the caller selected."""
    offer: Offer | None = getattr(item, "offer", None)
    rating: ItemRating | None = getattr(item, "rating", None)
    return {
        "item": item.external_id,
        "kind": item.kind,
        "title": item.title,
        "description": item.description,
        "brand": item.brand,
        "category_path": item.category_path,
        "attributes": item.attributes,
        "images": item.images,
        "address": item.address,
        "language": item.language,
        "group_id": item.group_id or None,
        "available": item.available and not (offer is not None and offer.stock == 0),
        "offer": None if offer is None else offer_as_json(offer),
        "rating": None
        if rating is None
        else {"average": float(rating.average), "count": rating.count},
    }


def offer_as_json(offer: Offer) -> dict[str, Any]:
    return {
        "price": offer.price,
        "sale_price": offer.sale_price,
        "currency": offer.currency,
        "in_stock": offer.stock is None or offer.stock > 0,
    }
