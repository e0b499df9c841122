"""What is held on a shopper, erasing it, and the proof."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.access import export_shopper
from profiles.certificates import fingerprint, public_key
from profiles.identity import ShopperRef, find_shopper
from profiles.models import PrivacyRequest
from profiles.requests import request_erasure
from profiles.tasks import run_privacy_requests
from tenants.acting import current_actor
from tenants.errors import REFUSALS, DomainError, ErrorKind
from tenants.input import parse_external_id
from tenants.models import Scope
from tenants.tasks import current_schema

SHOPPER_ID = OpenApiParameter(
    "shopper", str, OpenApiParameter.PATH, description="An id of the shopper."
)
NAMED_BY = OpenApiParameter(
    "named_by",
    str,
    enum=PrivacyRequest.Named.values,
    default=PrivacyRequest.Named.KNOWN,
    description="Whether the id is the shop's own, or that of a device or cookie.",
)


class StepOutput(BaseModel):
    store: str
    found: int = Field(description="When the request began.")
    remaining: int | None = Field(description="Now; null until it was the store's turn.")


class RequestOutput(BaseModel):
    request: UUID
    kind: str
    status: str = Field(description="received, checked, approved, running, done or denied")
    received_at: str
    due_at: str
    finished_at: str | None
    steps: list[StepOutput]
    certificate: dict[str, Any] | None = Field(description="Of an erasure that is done.")


class KeyOutput(BaseModel):
    algorithm: str
    public_key: str = Field(description="32 bytes in base64.")
    fingerprint: str


class PrivacyRequestView(APIView):
    required_scopes: ClassVar = {"GET": Scope.SHOPPERS_ERASE}

    @extend_schema(summary="How far a request is", responses={200: RequestOutput, **REFUSALS})
    def get(self, request: Request, privacy_request: UUID) -> Response:
        """Store by store; with the certificate once an erasure is done."""
        found = PrivacyRequest.objects.filter(pk=privacy_request).first()
        if found is None:
            raise DomainError(
                "unknown_request", "There is no such request.", kind=ErrorKind.NOT_FOUND
            )
        return Response(output(found))


class PrivacyKeyView(APIView):
    required_scopes: ClassVar = {"GET": Scope.SHOPPERS_READ}

    @extend_schema(
        summary="The key that certificates are signed with",
        responses={200: KeyOutput, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """The public half: it verifies certificates, and signs none."""
        key = public_key()
        return Response(
            {"algorithm": "Ed25519", "public_key": key, "fingerprint": fingerprint(key)}
        )


class ExportView(APIView):
    required_scopes: ClassVar = {"GET": Scope.SHOPPERS_EXPORT}

    @extend_schema(
        summary="Everything that is held on a shopper",
        parameters=[SHOPPER_ID, NAMED_BY],
        responses={(200, "application/zip"): OpenApiTypes.BINARY, **REFUSALS},
    )
    def get(self, request: Request, shopper: str) -> HttpResponse:
        """A ZIP with a page to read, `index.html`, and `data.json` for programs."""
        known, name = _named(request, shopper)
        found = find_shopper(ShopperRef(known=name) if known else ShopperRef(anonymous=name))
        if found is None:
            raise DomainError(
                "unknown_shopper", "There is no shopper with this id.", kind=ErrorKind.NOT_FOUND
            )
        return HttpResponse(
            export_shopper(found),
            content_type="application/zip",
            headers={
                "Content-Disposition": 'attachment; filename="shopper.zip"',
                "Cache-Control": "no-store",
            },
        )


def erase_shopper(request: Request, shopper: str) -> Response:
    """What `DELETE shoppers/{shopper}` does: the erasure is queued, and asked for once only."""
    known, name = _named(request, shopper)
    named_by = PrivacyRequest.Named.KNOWN if known else PrivacyRequest.Named.ANONYMOUS
    found = request_erasure(name, named_by=named_by, by=current_actor().name)
    if found.is_open:
        run_privacy_requests.delay_on_commit(current_schema())
    return Response(output(found), status=202 if found.is_open else 200)


def output(request: PrivacyRequest) -> dict[str, Any]:
    return {
        "request": request.pk,
        "kind": request.kind,
        "status": request.status,
        "received_at": request.received_at,
        "due_at": request.due_at,
        "finished_at": request.finished_at,
        "steps": list(request.steps.values("store", "found", "remaining")),
        "certificate": request.certificate,
    }


def _named(request: Request, shopper: str) -> tuple[bool, str]:
    """Whether the id is the shop's own, and the id."""
    named_by = request.query_params.get("named_by", PrivacyRequest.Named.KNOWN)
    if named_by not in PrivacyRequest.Named.values:
        raise DomainError(
            "invalid_input",
            "Some fields are not valid.",
            fields={"named_by": f"One of {', '.join(PrivacyRequest.Named.values)}."},
        )
    return named_by == PrivacyRequest.Named.KNOWN, parse_external_id(shopper, field="shopper")
