"""Accepting a feed file: checked for what can be checked at once, kept, and queued."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.read import check_settings
from catalog.feeds.rows import FeedUnreadable
from catalog.models import FeedContent, FeedImport
from catalog.tasks import run_feed_import
from tenants.errors import DomainError
from tenants.tasks import current_schema


def accept_feed(
    file: UploadedFile,
    *,
    format: str,  # noqa: A002  # the field's word, as in the API
    content: str = FeedContent.ITEMS,
    columns: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    full: bool = False,
) -> FeedImport:
    """Keep the file and queue its import. Raises DomainError `invalid_feed` for bad settings."""
    columns, options = dict(columns or {}), dict(options or {})
    contents = f"One of {', '.join(FeedContent.values)}."
    _check("content", lambda: FeedContent(content), otherwise=contents)
    _check("format", lambda: FeedFormat(format), otherwise=f"One of {', '.join(FeedFormat)}.")
    _check("format", lambda: check_settings(content, FeedFormat(format), None))
    _check("columns", lambda: check_settings(content, FeedFormat(format), columns))
    _check("options", lambda: FeedDefaults(**options), otherwise="An option is not known.")
    for name, value in (("columns", columns), ("options", options)):
        if "\\u0000" in json.dumps(value):
            raise _refused(name, "NUL characters cannot be stored.")
    with transaction.atomic():
        feed_import = FeedImport.objects.create(
            content=content,
            format=format,
            file_name=(file.name or "feed")[-255:],
            file=file,
            columns=columns,
            options=options,
            full=full,
        )
        run_feed_import.delay_on_commit(current_schema(), feed_import.pk)
    return feed_import


def _check(field: str, parse: Callable[[], object], *, otherwise: str = "") -> None:
    try:
        parse()
    except FeedUnreadable as error:
        raise _refused(field, error.message) from error
    except (TypeError, ValueError) as error:
        raise _refused(field, otherwise or str(error)) from error


def _refused(field: str, why: str) -> DomainError:
    return DomainError("invalid_feed", "Some fields are not valid.", fields={field: why})
