"""The catalog in: feeds."""

import csv
from collections.abc import Iterator
from typing import Any, ClassVar

import orjson
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from catalog.api.inputs import FeedImportOutput
from catalog.models import FeedImport
from catalog.uploads import accept_feed
from tenants.errors import REFUSALS, DomainError, ErrorKind, ErrorOutput
from tenants.models import Scope

FEED_REQUEST = {
    "multipart/form-data": {
        "type": "object",
        "required": ["file", "format"],
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "format": {
                "type": "string",
                "enum": ["csv", "jsonl", "google_xml", "google_tsv", "shopify_csv"],
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


class FeedsView(APIView):
    required_scopes: ClassVar = {"POST": Scope.CATALOG_WRITE}
    parser_classes = [MultiPartParser]

    @extend_schema(
        summary="Upload a feed",
        request=FEED_REQUEST,
        responses={202: FeedImportOutput, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """The file is imported in the background; ask for its progress at the address given."""
        file = request.FILES.get("file")
        if file is None:
            raise DomainError(
                "invalid_feed", "There is no file.", fields={"file": "This field is required."}
            )
        feed_import = accept_feed(
            file,
            format=request.data.get("format", ""),
            columns=_json_field(request, "columns"),
            options=_json_field(request, "options"),
            full=str(request.data.get("full", "")).lower() in {"true", "1", "yes", "on"},
        )
        return Response(_output(feed_import, request), status=202)


class FeedView(APIView):
    required_scopes: ClassVar = {"GET": Scope.CATALOG_READ}

    @extend_schema(
        summary="Progress of a feed",
        responses={200: FeedImportOutput, **REFUSALS, 404: ErrorOutput},
    )
    def get(self, request: Request, feed_import: int) -> Response:
        """Counts so far; final once `status` is done or failed."""
        return Response(_output(_get(feed_import), request))


class FeedErrorsView(APIView):
    required_scopes: ClassVar = {"GET": Scope.CATALOG_READ}

    @extend_schema(
        summary="Rows of a feed that were not imported",
        responses={(200, "text/csv"): OpenApiTypes.STR, **REFUSALS, 404: ErrorOutput},
    )
    def get(self, request: Request, feed_import: int) -> StreamingHttpResponse:
        """A CSV file: row, id, field, code, message, excerpt."""
        found = _get(feed_import)
        return StreamingHttpResponse(
            error_report(found),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="feed-{found.pk}-errors.csv"'},
        )


class _Echo:
    """A file whose `write` hands the text back, as csv.writer wants one to stream."""

    def write(self, text: str) -> str:
        return text


def error_report(feed_import: FeedImport) -> Iterator[str]:
    """The import's row errors as lines of CSV, streamed."""
    writer = csv.writer(_Echo())
    yield writer.writerow(["row", "external_id", "field", "code", "message", "raw"])
    rows = feed_import.row_errors.values_list(
        "row", "external_id", "field", "code", "message", "raw"
    )
    for row in rows.iterator(chunk_size=2_000):
        yield writer.writerow([_inert(cell) for cell in row])


def _inert(cell: object) -> object:
    """A spreadsheet must not run what a feed wrote: a leading quote keeps it text (OWASP)."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else cell


def _get(pk: int) -> FeedImport:
    found = FeedImport.objects.filter(pk=pk).first() if pk < 2**63 else None
    if found is None:
        raise DomainError("unknown_feed", "There is no such import.", kind=ErrorKind.NOT_FOUND)
    return found


def _json_field(request: Request, name: str) -> dict[str, Any]:
    text = request.data.get(name) or "{}"
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DomainError(
            "invalid_feed", f"{name} is not JSON.", fields={name: str(error)}
        ) from error
    if not isinstance(value, dict):
        raise DomainError(
            "invalid_feed", f"{name} is not an object.", fields={name: "A JSON object is needed."}
        )
    return value


def _output(feed_import: FeedImport, request: Request) -> dict[str, Any]:
    return {
        "id": feed_import.pk,
        "status": feed_import.status,
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
