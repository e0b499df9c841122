"""Reviews in by the batch."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.api.inputs import MAX_ROWS, RowOutcomes, outcomes_output
from catalog.feeds.options import FeedDefaults
from catalog.review_batches import write_reviews
from tenants.connection import connection
from tenants.errors import BODY_REFUSALS
from tenants.idempotency import idempotent
from tenants.input import ExternalId, Input, parse_body
from tenants.models import Scope


class ReviewBatch(Input):
    """Reviews, each checked for itself."""

    reviews: list[Any] = Field(min_length=1, max_length=MAX_ROWS)


class ReviewRow(Input):
    """A review, as the schema shows it; the rules are those of feeds."""

    item: ExternalId
    rating: Annotated[float, Field(ge=1, le=5)]
    external_id: str | None = Field(None, description="Made of what it says if left out.")
    title: str | None = None
    text: str | None = None
    author: str | None = Field(None, description="As it is shown: a name or a pseudonym.")
    shopper: str | None = Field(None, description="Only where erasure is to find it.")
    language: str | None = None
    verified: bool | None = None
    written_at: datetime | None = None


class DocumentedReviewBatch(Input):
    """The same batch as the schema shows it."""

    reviews: list[ReviewRow] = Field(min_length=1, max_length=MAX_ROWS)


class ReviewsView(APIView):
    required_scopes: ClassVar = {"POST": Scope.CATALOG_WRITE}

    @idempotent
    @extend_schema(
        summary="Create or replace reviews",
        request=DocumentedReviewBatch,
        responses={200: RowOutcomes, **BODY_REFUSALS},
        examples=[
            OpenApiExample(
                "Two reviews",
                request_only=True,
                value={
                    "reviews": [
                        {"item": "SKU-1", "rating": 5, "text": "Dry all night.", "author": "Ann"},
                        {"item": "SKU-1", "rating": 3, "external_id": "r-81", "verified": True},
                    ]
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Up to 1,000 reviews; each is created, updated, unchanged or refused for itself."""
        batch = parse_body(request, ReviewBatch)
        defaults = FeedDefaults(language=connection.tenant.language)
        return Response(outcomes_output(write_reviews(batch.reviews, defaults=defaults)))
