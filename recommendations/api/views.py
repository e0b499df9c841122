"""The slate for a shopper and placement, and why it was what it was."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.global_privacy_control import sent_with
from profiles.identity import ShopperRef
from recommendations.api.answers import answer
from recommendations.api.inputs import (
    MAX_LIMIT,
    RecommendationQuery,
    SimulationInput,
    SimulationOutput,
    SlateOutput,
    WhyOutput,
)
from recommendations.api.outputs import simulation_output, why_output
from recommendations.context import build_request
from recommendations.feedback import get_decision
from recommendations.simulation import Edit, rules_on_trial, simulate
from tenants.browser_keys import about_shopper
from tenants.errors import BODY_REFUSALS, REFUSALS, ErrorOutput
from tenants.input import parse_body, parse_query
from tenants.models import Scope

SHAPES: dict[str, dict[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 10},
    "gpc": {"type": "boolean", "default": False},
}
QUERY = [
    OpenApiParameter(
        name,
        SHAPES.get(name, {"type": "string", "minLength": 1}),
        required=field.is_required(),
        description=field.description or "",
    )
    for name, field in RecommendationQuery.model_fields.items()
]


class RecommendationsView(APIView):
    required_scopes: ClassVar = {"GET": Scope.RECOMMENDATIONS_READ}
    browser_methods = ("GET",)

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
        named = about_shopper(request, query.shopper, query.anonymous)
        return Response(
            answer(
                query.placement,
                shopper=ShopperRef.given(named.known, named.anonymous),
                item=query.item,
                cart_items=query.items,
                limit=query.limit,
                around=query.around,
                gpc=sent_with(request, field=query.gpc),
            )
        )


class SimulationView(APIView):
    required_scopes: ClassVar = {"POST": Scope.RULES_SIMULATE}

    @extend_schema(
        summary="Try rules out",
        request=SimulationInput,
        responses={200: SimulationOutput, **BODY_REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """A request under other rules beside its live answer. Nothing of it is logged or counted.

        A rule in `adding` that is not one of the placement's is passed over.
        """
        asked = parse_body(request, SimulationInput)
        live = build_request(
            asked.placement,
            shopper=ShopperRef.given(asked.shopper, asked.anonymous),
            item=asked.item,
            cart_items=asked.items,
            limit=asked.limit,
            now=asked.at,
            around=asked.around,
        )
        rules = rules_on_trial(
            asked.placement,
            live,
            adding=asked.adding,
            without=asked.without,
            edits={edit.rule: Edit(edit.amount, edit.position) for edit in asked.edits},
        )
        return Response(simulation_output(simulate(live, rules)))


class WhyView(APIView):
    required_scopes: ClassVar = {"GET": Scope.RECOMMENDATIONS_READ}

    @extend_schema(
        summary="Explain a decision",
        responses={200: WhyOutput, **REFUSALS, 404: ErrorOutput},
    )
    def get(self, request: Request, decision: UUID) -> Response:
        """The full ledger of a past slate: what each signal added to each item's score."""
        return Response(why_output(get_decision(decision)))
