"""The catalog in: feeds."""

from typing import Any, ClassVar

import orjson
from django.core.files.uploadedfile import UploadedFile
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from catalog.api.inputs import FeedImportOutput
from catalog.error_report import error_report
from catalog.feeds.options import FeedFormat
from catalog.models import FeedContent, FeedImport
from catalog.uploads import accept_feed
from tenants.errors import BODY_REFUSALS, REFUSALS, DomainError, ErrorKind, ErrorOutput
from tenants.idempotency import idempotent
from tenants.models import Scope
from tenants.tasks import current_schema

FEED_REQUEST = {
    "multipart/form-data": {
        "type": "object",
        "required": ["file", "format"],
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "format": {
                "type": "string",
                "enum": [known.value for known in FeedFormat],
            },
            "content": {
                "type": "string",
                "enum": FeedContent.values,
                "default": FeedContent.ITEMS,
                "description": "What a row is.",
            },
            "columns": {"type": "string", "description": "JSON: feed column to field."},
            "options": {"type": "string", "description": "JSON: defaults, see the feed guide."},
            "full": {
                "type": "boolean",
                "description": "The feed lists the whole catalog: archive what it does not list.",
            },
        },
    }
}


YES = frozenset({"true", "1", "yes", "on"})
NO = frozenset({"false", "0", "no", "off", ""})


class FeedsView(APIView):
    required_scopes: ClassVar = {"POST": Scope.CATALOG_WRITE}
    parser_classes = [MultiPartParser]

    @idempotent
    @extend_schema(
        summary="Upload a feed",
        request=FEED_REQUEST,
        responses={202: FeedImportOutput, **BODY_REFUSALS, 415: ErrorOutput},
    )
    def post(self, request: Request) -> Response:
        """The file is imported in the background; ask for its progress at the address given."""
        form: dict[str, Any] = dict(request.data.items())  # texts, and files where files were sent
        file = form.get("file")
        if not isinstance(file, UploadedFile):
            raise _refused("file", "A file is needed.")
        feed_import = accept_feed(
            file,
            format=_text(form, "format"),
            content=_text(form, "content") or FeedContent.ITEMS,
            columns=_json_object(form, "columns"),
            options=_json_object(form, "options"),
            full=_boolean(form, "full"),
        )
        return Response(_output(feed_import, request), status=202)


class FeedView(APIView):
    required_scopes: ClassVar = {"GET": Scope.CATALOG_READ}

    @extend_schema(
        summary="Progress of a feed",
        responses={200: FeedImportOutput, **REFUSALS},
    )
    def get(self, request: Request, feed_import: int) -> Response:
        """Counts so far; final once `status` is done or failed."""
        return Response(_output(_get(feed_import), request))


class FeedErrorsView(APIView):
    required_scopes: ClassVar = {"GET": Scope.CATALOG_READ}

    @extend_schema(
        summary="Rows of a feed that were not imported",
        responses={(200, "text/csv"): OpenApiTypes.STR, **REFUSALS},
    )
    def get(self, request: Request, feed_import: int) -> StreamingHttpResponse:
        """A CSV file: row, id, field, code, message, excerpt."""
        found = _get(feed_import)
        return StreamingHttpResponse(
            error_report(found.pk, schema=current_schema()),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="feed-{found.pk}-errors.csv"'},
        )


def _get(pk: int) -> FeedImport:
    found = FeedImport.objects.filter(pk=pk).first() if pk < 2**63 else None
    if found is None:
        raise DomainError("unknown_feed", "There is no such import.", kind=ErrorKind.NOT_FOUND)
    return found


def _text(form: dict[str, Any], name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str):
        raise _refused(name, "Text is needed, not a file.")
    return value


def _boolean(form: dict[str, Any], name: str) -> bool:
    word = _text(form, name).lower()
    if word not in YES | NO:
        raise _refused(name, "Either true or false.")
    return word in YES


def _json_object(form: dict[str, Any], name: str) -> dict[str, Any]:
    text = _text(form, name) or "{}"
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _refused(name, f"This is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise _refused(name, "A JSON object is needed.")
    return value


def _refused(field: str, why: str) -> DomainError:
    return DomainError("invalid_feed", "Some fields are not valid.", fields={field: why})


def _output(feed_import: FeedImport, request: Request) -> dict[str, Any]:
    return {
        "id": feed_import.pk,
        "status": feed_import.status,
        "content": feed_import.content,
        "format": feed_import.format,
        "file_name": feed_import.file_name,
        "rows": feed_import.rows,
        "created": feed_import.created,
        "updated": feed_import.updated,
        "unchanged": feed_import.unchanged,
        "archived": feed_import.archived,
        "failed": feed_import.failed,
        "failure": feed_import.failure,
        "started_at": feed_import.started_at,
        "finished_at": feed_import.finished_at,
        "errors": reverse("feed-errors", args=[feed_import.pk], request=request),
    }
