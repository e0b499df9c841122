"""One item out: what belongs on its page, and how good its record is."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.item_details import as_json, find_item, newest_reviews, offer_as_json, variants_of
from catalog.models import Item, ItemLink
from catalog.quality.checks import CHECKS
from catalog.quality.models import ItemQuality
from catalog.quality.report import flaws_now, found_in_words, score_now
from tenants.errors import REFUSALS, DomainError, ErrorKind
from tenants.input import parse_external_id
from tenants.models import Scope


class OfferOut(BaseModel):
    price: Decimal
    sale_price: Decimal | None
    currency: str
    in_stock: bool


class RatingOut(BaseModel):
    """Of the item and its variants together."""

    average: float
    count: int


class VariantOut(BaseModel):
    item: str
    title: str
    attributes: dict[str, Any]
    available: bool
    offer: OfferOut | None


class ReviewOut(BaseModel):
    rating: int
    title: str
    text: str
    author: str
    verified: bool
    language: str
    written_at: datetime | None


class LinkOut(BaseModel):
    item: str
    kind: str


class ItemOut(BaseModel):
    item: str
    kind: str
    title: str
    description: str
    brand: str
    category_path: list[str]
    attributes: dict[str, Any]
    images: list[str]
    address: str
    language: str
    group_id: str | None
    available: bool
    offer: OfferOut | None
    rating: RatingOut | None
    variant_attributes: list[str]
    variants: list[VariantOut]
    reviews: list[ReviewOut]
    links: list[LinkOut]


class FlawOut(BaseModel):
    code: str
    title: str
    severity: str
    found: str
    advice: str


class ItemQualityOut(BaseModel):
    """`score` is None, and `flaws` is empty, as long as the item was not checked."""

    item: str
    score: int | None
    checked_at: datetime | None
    flaws: list[FlawOut]


class ItemView(APIView):
    required_scopes: ClassVar = {"GET": Scope.CATALOG_READ}

    @extend_schema(summary="An item with its variants", responses={200: ItemOut, **REFUSALS})
    def get(self, request: Request, item: str) -> Response:
        """Offer, rating, variants with what they differ in, newest reviews, and links."""
        found = _get(item)
        variants = variants_of(found)
        links = ItemLink.objects.filter(item=found, linked__archived_at=None)
        names = variants.attributes
        return Response(
            {
                **as_json(found),
                "variant_attributes": list(names),
                "variants": [_variant(variant, names) for variant in variants.items],
                "reviews": [
                    {name: getattr(review, name) for name in ReviewOut.model_fields}
                    for review in newest_reviews(found)
                ],
                "links": [
                    {"item": external_id, "kind": kind}
                    for external_id, kind in links.values_list("linked__external_id", "kind")
                ],
            }
        )


class ItemQualityView(APIView):
    required_scopes: ClassVar = {"GET": Scope.CATALOG_READ}

    @extend_schema(summary="What to mend of an item", responses={200: ItemQualityOut, **REFUSALS})
    def get(self, request: Request, item: str) -> Response:
        """The item's score of 100, and every flaw that it lost points for."""
        found, now = _get(item), timezone.now()
        quality: ItemQuality | None = getattr(found, "quality", None)
        if quality is None:
            return Response(
                {"item": found.external_id, "score": None, "checked_at": None, "flaws": []}
            )
        flaws = [CHECKS[code] for code in flaws_now(quality, now) if code in CHECKS]
        return Response(
            {
                "item": found.external_id,
                "score": score_now(quality, now),
                "checked_at": quality.checked_at,
                "flaws": [
                    {
                        "code": check.code,
                        "title": check.title,
                        "severity": check.severity,
                        "found": found_in_words(check.code, quality.found),
                        "advice": check.advice,
                    }
                    for check in flaws
                ],
            }
        )


def _get(text: str) -> Item:
    found = find_item(parse_external_id(text, field="item"))
    if found is None:
        raise DomainError("item_not_found", "There is no such item.", kind=ErrorKind.NOT_FOUND)
    return found


def _variant(variant: Item, names: tuple[str, ...]) -> dict[str, Any]:
    offer = getattr(variant, "offer", None)
    return {
        "item": variant.external_id,
        "title": variant.title,
        "attributes": {n: variant.attributes[n] for n in names if n in variant.attributes},
        "available": offer is None or offer.stock != 0,
        "offer": None if offer is None else offer_as_json(offer),
    }
