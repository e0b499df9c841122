"""Accepting a feed file: checked for what can be checked at once, kept, and queued."""

from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.rows import FeedUnreadable
from catalog.models import FeedImport
from catalog.tasks import run_feed_import
from tenants.errors import DomainError
from tenants.tasks import current_schema


def accept_feed(
    file: UploadedFile,
    *,
    format: str,  # noqa: A002  # the field's word, as in the API
    columns: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    full: bool = False,
) -> FeedImport:
    """Keep the file and queue its import. Raises DomainError `invalid_feed` for bad settings."""
    if format not in set(FeedFormat):
        known = ", ".join(FeedFormat)
        raise DomainError(
            "invalid_feed", "The format is not known.", fields={"format": f"One of {known}."}
        )
    try:
        FeedDefaults(**dict(options or {}))
    except (TypeError, ValueError, FeedUnreadable) as error:
        raise DomainError(
            "invalid_feed", "The options are not valid.", fields={"options": str(error)}
        ) from error
    with transaction.atomic():
        feed_import = FeedImport.objects.create(
            format=format,
            file_name=(file.name or "feed")[-255:],
            file=file,
            columns=dict(columns or {}),
            options=dict(options or {}),
            full=full,
        )
        run_feed_import.delay_on_commit(current_schema(), feed_import.pk)
    return feed_import
