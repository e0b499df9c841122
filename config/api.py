"""How the API speaks: JSON bodies in, JSON out, and one shape of error."""

from typing import Any, cast

import orjson
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from tenants.errors import DomainError, ErrorKind

ANYTHING = frozenset({"*/*", "application/json", "application/json, */*"})
"""What clients say that take JSON."""

STATUS = {
    ErrorKind.INVALID: status.HTTP_400_BAD_REQUEST,
    ErrorKind.UNAUTHENTICATED: status.HTTP_401_UNAUTHORIZED,
    ErrorKind.FORBIDDEN: status.HTTP_403_FORBIDDEN,
    ErrorKind.NOT_FOUND: status.HTTP_404_NOT_FOUND,
    ErrorKind.CONFLICT: status.HTTP_409_CONFLICT,
    ErrorKind.TOO_LARGE: status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    ErrorKind.UNPROCESSABLE: status.HTTP_422_UNPROCESSABLE_ENTITY,
    ErrorKind.TOO_MANY: status.HTTP_429_TOO_MANY_REQUESTS,
}


class JsonOnly(DefaultContentNegotiation):
    """Negotiation where there is one thing to choose: the usual client is not asked twice."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        accepted = request.META.get("HTTP_ACCEPT", "*/*")
        if accepted in ANYTHING and "format=" not in request.META["QUERY_STRING"]:
            return renderers[0], renderers[0].media_type
        return cast(
            "tuple[BaseRenderer, str]", super().select_renderer(request, renderers, format_suffix)
        )


class OrjsonRenderer(BaseRenderer):
    """JSON by orjson. Decimals are written as strings: a price must not become a float."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data, default=str)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every refusal as `{"code", "detail", "fields"?}`; anything else stays a 500."""
    set_rollback()
    if isinstance(error, DomainError):
        body: dict[str, Any] = {"code": error.code, "detail": error.detail}
        if error.fields:
            body["fields"] = error.fields
        return Response(body, status=STATUS[error.kind])
    if isinstance(error, RequestDataTooBig):
        return Response(
            {"code": "body_too_large", "detail": "The body is larger than 10 MB."},
            status=status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
        )
    if isinstance(error, SuspiciousOperation):  # as TooManyFieldsSent: more than a thousand
        return Response(
            {"code": "invalid_input", "detail": "The request is not one that a client sends."},
            status=status.HTTP_400_BAD_REQUEST,
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        return _refusal(error)
    return None


def _refusal(error: exceptions.APIException) -> Response:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    code = error.get_codes()
    return Response(
        {
            "code": code if isinstance(code, str) else error.default_code,
            "detail": str(error.detail if isinstance(error.detail, str) else error.default_detail),
        },
        status=error.status_code,
        headers=headers,
    )
