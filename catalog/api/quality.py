"""How good the catalog is: the summary, and every flaw of every item as CSV."""

from datetime import datetime
from typing import Annotated, ClassVar

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import AfterValidator, BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.quality.checks import CHECKS
from catalog.quality.models import QualityIssue
from catalog.quality.report import catalog_report, flawed_items_csv
from tenants.errors import REFUSALS
from tenants.input import Input, Text, parse_query
from tenants.models import Scope
from tenants.tasks import current_schema

MAX_SPELLINGS = 100


def _known(code: str) -> str:
    if code and code not in CHECKS:
        raise ValueError(f"One of {', '.join(CHECKS)}.")
    return code


class QualityQuery(Input):
    category: Text = Field("", description="Of the items, anywhere in their path.")


class FlawQuery(QualityQuery):
    check: Annotated[str, AfterValidator(_known)] = Field(
        "", description="The code of a check; every flaw if left out."
    )


def _parameters(query: type[Input]) -> list[OpenApiParameter]:
    known = {"check": {"type": "string", "enum": list(CHECKS)}}
    return [
        OpenApiParameter(
            name,
            known.get(name, {"type": "string", "maxLength": 500}),
            description=field.description or "",
        )
        for name, field in query.model_fields.items()
    ]


class CheckOut(BaseModel):
    code: str
    title: str
    severity: str
    points: int
    items: int
    share: float
    advice: str


class SpellingOut(BaseModel):
    """`about` names the attribute that the spellings are values of."""

    kind: str
    about: str
    suggestion: str
    spellings: dict[str, int]
    items: int


class CatalogQualityOut(BaseModel):
    """`score` is the mean of the items checked; `waiting` counts those that were not yet."""

    items: int
    waiting: int
    score: float | None
    fit_for_language_model: int
    checked_at: datetime | None
    checks: list[CheckOut]
    spellings: list[SpellingOut]


class CatalogQualityView(APIView):
    required_scopes: ClassVar = {"GET": Scope.CATALOG_READ}

    @extend_schema(
        summary="Quality of the catalog",
        parameters=_parameters(QualityQuery),
        responses={200: CatalogQualityOut, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Score, flaws by check with the number of items, and spellings to merge."""
        query = parse_query(request, QualityQuery)
        report = catalog_report(timezone.now(), category=query.category)
        issues = QualityIssue.objects.filter(accepted_at=None)[:MAX_SPELLINGS]
        return Response(
            {
                "items": report.items,
                "waiting": report.waiting,
                "score": None if report.score is None else round(report.score, 2),
                "fit_for_language_model": report.fit,
                "checked_at": report.checked_at,
                "checks": [
                    {
                        "code": row.check.code,
                        "title": row.check.title,
                        "severity": row.check.severity,
                        "points": row.points,
                        "items": row.items,
                        "share": round(row.share, 4),
                        "advice": row.check.advice,
                    }
                    for row in report.checks
                ],
                "spellings": [
                    {name: getattr(issue, name) for name in SpellingOut.model_fields}
                    for issue in issues
                ],
            }
        )


class FlawedItemsView(APIView):
    required_scopes: ClassVar = {"GET": Scope.CATALOG_READ}

    @extend_schema(
        summary="Items to mend, as CSV",
        parameters=_parameters(FlawQuery),
        responses={(200, "text/csv"): OpenApiTypes.STR, **REFUSALS},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """A line for each flaw of each item: item, title, category, score, check, severity, found,
        advice."""
        query = parse_query(request, FlawQuery)
        lines = flawed_items_csv(
            timezone.now(), schema=current_schema(), category=query.category, code=query.check
        )
        return StreamingHttpResponse(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="catalog-quality.csv"'},
        )
