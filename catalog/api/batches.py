"""Items and offers in by the batch."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.inputs import (
    DocumentedItemBatch,
    DocumentedOfferBatch,
    ItemBatch,
    OfferBatch,
    RowOutcomes,
    outcomes_output,
)
from catalog.feeds.options import FeedDefaults
from catalog.item_batches import write_items
from catalog.offer_changes import change_offers
from tenants.connection import connection
from tenants.errors import BODY_REFUSALS
from tenants.idempotency import idempotent
from tenants.input import parse_body
from tenants.models import Scope


class ItemsView(APIView):
    required_scopes: ClassVar = {"POST": Scope.CATALOG_WRITE}

    @idempotent
    @extend_schema(
        summary="Create or replace items",
        request=DocumentedItemBatch,
        responses={200: RowOutcomes, **BODY_REFUSALS},
        examples=[
            OpenApiExample(
                "A tent and a course",
                request_only=True,
                value={
                    "items": [
                        {
                            "item": "SKU-1",
                            "title": "Two-person tent",
                            "brand": "Northwind",
                            "category_path": ["Camping", "Tents"],
                            "attributes": {"color": "green", "weight_kg": 1.9},
                            "price": "199.00",
                            "stock": 12,
                        },
                        {"item": "C-1", "kind": "lesson", "title": "Knots for beginners"},
                    ]
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Up to 1,000 items; each is created, updated, unchanged or refused for itself, in order.

        An item is replaced whole: what is left out is empty afterwards.
        """
        batch = parse_body(request, ItemBatch)
        defaults = FeedDefaults(
            currency=connection.tenant.currency, language=connection.tenant.language
        )
        return Response(outcomes_output(write_items(batch.items, defaults=defaults)))


class OffersView(APIView):
    required_scopes: ClassVar = {"PATCH": Scope.CATALOG_WRITE}

    @idempotent
    @extend_schema(
        summary="Change prices, stock and availability",
        request=DocumentedOfferBatch,
        responses={200: RowOutcomes, **BODY_REFUSALS},
        examples=[
            OpenApiExample(
                "A sale, and a delivery",
                request_only=True,
                value={
                    "offers": [
                        {"item": "SKU-1", "sale_price": "149.00"},
                        {"item": "SKU-2", "stock": 40, "available": True},
                    ]
                },
            )
        ],
    )
    def patch(self, request: Request) -> Response:
        """Up to 1,000 offers, in force from the next request on. What is left out stays."""
        batch = parse_body(request, OfferBatch)
        return Response(
            outcomes_output(change_offers(batch.offers, currency=connection.tenant.currency))
        )
