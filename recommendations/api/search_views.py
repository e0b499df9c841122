"""Searching the catalog for a shopper, and what to suggest while one types."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.global_privacy_control import sent_with
from profiles.identity import ShopperRef
from recommendations.api.search_inputs import (
    MAX_FACETS,
    MAX_FILTERS,
    MAX_LIMIT,
    MAX_SUGGESTIONS,
    USUAL_FACETS,
    SearchInput,
    SearchOutput,
    SuggestionsInput,
    SuggestionsOutput,
)
from recommendations.api.search_outputs import search_output, suggestions_output
from recommendations.searching.answer import answer
from recommendations.searching.log import record_search
from recommendations.searching.served import record_results
from recommendations.searching.suggesting import suggestions
from recommendations.searching.values import SearchQuery
from tenants.browser_keys import about_shopper
from tenants.errors import REFUSALS
from tenants.input import parse_query, refusal
from tenants.models import Scope

TEXT: dict[str, Any] = {"type": "string", "maxLength": 500}
NAME: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 200}
SHAPES: dict[str, dict[str, Any]] = {
    "q": TEXT,
    "filter": {"type": "array", "items": {**TEXT, "minLength": 1}, "maxItems": MAX_FILTERS},
    "ignore": {"type": "array", "items": TEXT, "maxItems": MAX_FILTERS},
    "facets": {
        "type": "string",
        "description": f"At most {MAX_FACETS} fields, or `{USUAL_FACETS}`.",
    },
    "sort": {
        "type": "string",
        "enum": ["relevance", "price", "-price", "newest", "popular"],
        "default": "relevance",
    },
    "offset": {"type": "integer", "minimum": 0, "maximum": 10_000, "default": 0},
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 24},
    "language": {"type": "string", "example": "en"},
    "device": {"type": "string", "enum": ["mobile", "tablet", "desktop"]},
    "country": {"type": "string", "pattern": "^[A-Za-z]{2}$"},
    "referrer": {"type": "string", "maxLength": 100},
    "gpc": {"type": "boolean", "default": False},
}
LISTED = ("filter", "ignore")

SEARCH_QUERY = [
    OpenApiParameter(name, SHAPES.get(name, NAME), description=field.description or "")
    for name, field in SearchInput.model_fields.items()
]
SUGGESTIONS_QUERY = [
    OpenApiParameter("q", TEXT, description="What was typed so far."),
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": MAX_SUGGESTIONS, "default": 8}
    ),
]


class SearchView(APIView):
    required_scopes: ClassVar = {"GET": Scope.RECOMMENDATIONS_READ}
    browser_methods = ("GET",)

    @extend_schema(
        summary="Search the catalog",
        parameters=SEARCH_QUERY,
        responses={200: SearchOutput, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """A page of results, and everything that was understood of the words; facets if asked for.

        Constraints in the words ("under 100, not black, size M") become filters, each of which
        `ignore` removes. Near-equal results come in the order of the shopper's taste, if the
        shopper grants personalization.
        """
        given = _parse(request)
        named = about_shopper(request, given.shopper, given.anonymous)
        found = answer(
            SearchQuery(
                text=given.q,
                filters=tuple(given.filter),
                ignored=frozenset(given.ignore),
                facets=None if USUAL_FACETS in given.facets else tuple(given.facets),
                sort=given.sort,
                offset=given.offset,
                limit=given.limit,
                language=given.language,
                shopper=ShopperRef.given(named.known, named.anonymous),
                session=given.session,
                around=given.around,
                gpc=sent_with(request, field=given.gpc),
            )
        )
        record_results(found)
        record_search(found)
        return Response(search_output(found))


class SuggestionsView(APIView):
    required_scopes: ClassVar = {"GET": Scope.RECOMMENDATIONS_READ}
    browser_methods = ("GET",)

    @extend_schema(
        summary="Suggest as the shopper types",
        parameters=SUGGESTIONS_QUERY,
        responses={200: SuggestionsOutput, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Popular searches, categories, brands and items that the beginning may become.

        A search is suggested to others only once several different shoppers have typed it.
        """
        given = parse_query(request, SuggestionsInput)
        found, fallbacks = suggestions(given.q, limit=given.limit)
        return Response(suggestions_output(given.q, found, fallbacks))


def _parse(request: Request) -> SearchInput:
    """The query string, in which filters and ids to ignore may be repeated.

    Raises DomainError `invalid_input`.
    """
    given: dict[str, Any] = request.query_params.dict()
    given.update({name: request.query_params.getlist(name) for name in LISTED})
    try:
        return SearchInput.model_validate(given)
    except ValidationError as error:
        raise refusal(error) from error
