"""The slate for a shopper and placement, and why it was what it was."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.identity import ShopperRef
from recommendations.api.inputs import MAX_LIMIT, RecommendationQuery, SlateOutput, WhyOutput
from recommendations.api.outputs import slate_output, why_output
from recommendations.context import build_request
from recommendations.feedback import get_decision, record_served
from recommendations.recommend import recommend
from tenants.errors import REFUSALS, ErrorOutput
from tenants.input import parse_query
from tenants.models import Scope

QUERY = [
    OpenApiParameter(
        name,
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 10}
        if name == "limit"
        else {"type": "string", "minLength": 1},
        required=field.is_required(),
        description=field.description or "",
    )
    for name, field in RecommendationQuery.model_fields.items()
]


class RecommendationsView(APIView):
    required_scopes: ClassVar = {"GET": Scope.RECOMMENDATIONS_READ}

    @extend_schema(
        summary="Get recommendations",
        parameters=QUERY,
        responses={200: SlateOutput, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """The slate for one shopper and placement, each item with its offer and a true reason.

        A shopper who is new, unknown or does not grant personalization gets what is popular.
        """
        query = parse_query(request, RecommendationQuery)
        recommendation_request = build_request(
            query.placement,
            shopper=ShopperRef.given(query.shopper, query.anonymous),
            item=query.item,
            cart_items=query.items,
            limit=query.limit,
        )
        slate = recommend(recommendation_request)
        record_served(slate)
        return Response(slate_output(slate))


class WhyView(APIView):
    required_scopes: ClassVar = {"GET": Scope.RECOMMENDATIONS_READ}

    @extend_schema(
        summary="Explain a decision",
        responses={200: WhyOutput, **REFUSALS, 404: ErrorOutput},
    )
    def get(self, request: Request, decision: UUID) -> Response:
        """The full ledger of a past slate: what each signal added to each item's score."""
        return Response(why_output(get_decision(decision)))
