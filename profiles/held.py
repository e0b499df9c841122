"""What profiles and the apps below it hold of a shopper, store by store."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from html import escape

from django.db.models import Q, QuerySet

from catalog.feeds.rows import FeedUnreadable
from catalog.feeds.source import Source
from catalog.models import FeedContent, FeedImport, FeedRowError, Review
from catalog.reviews import forget_authors, written_by
from profiles.models import (
    Consent,
    ConsentChange,
    Event,
    EventKey,
    Identity,
    Session,
    Shopper,
    ShopperState,
)
from profiles.stores import Person, Row, Store, When, of_rows, register
from tenants.models import KeptAnswer
from tenants.tombstones import Name, digest_of

OVERLAP = 4_000
"""Bytes of the part before that are searched again: longer than any id, however it is written."""


def register_stores() -> None:
    """Those of the catalog too, which knows nothing of shoppers. Called once, by the app."""
    register(
        of_rows(
            "shopper",
            "What the shop and the shopper said of the shopper",
            lambda person: Shopper.objects.filter(pk__in=person.shoppers),
            when=When.LAST,
            without=("id", "merged_into", "erased_at"),
        ),
        of_rows(
            "identities",
            "The ids by which storefronts know the shopper",
            lambda person: Identity.objects.filter(shopper__in=person.shoppers),
            when=When.SEALING,
            without=("id",),
        ),
        of_rows(
            "consents",
            "What the shopper allows now",
            lambda person: Consent.objects.filter(shopper__in=person.shoppers),
            when=When.SEALING,
            without=("id",),
        ),
        of_rows(
            "consent history",
            "Every grant and withdrawal",
            lambda person: ConsentChange.objects.filter(shopper__in=person.shoppers),
            when=When.SEALING,
            without=("id",),
        ),
        of_rows(
            "state",
            "What ranking reads of the history: interests, cart, dismissed items, latest search",
            lambda person: ShopperState.stored.filter(shopper__in=person.shoppers),
            when=When.SEALING,
        ),
        of_rows(
            "sessions",
            "Visits",
            lambda person: Session.objects.filter(shopper__in=person.shoppers),
            without=("id",),
        ),
        of_rows(
            "events",
            "What the shopper did",
            lambda person: Event.stored.filter(shopper__in=person.shoppers),
            without=("id",),
        ),
        of_rows(
            "event keys",
            "The shop's keys of events, by which one that is sent twice is stored once",
            lambda person: EventKey.objects.filter(shopper__in=person.shoppers),
        ),
        of_rows(
            "kept answers",
            "What the shop was answered of the shopper, for a day, in case it asks again",
            lambda person: KeptAnswer.objects.filter(about__in=map(digest_of, person.names)),
            without=("id", "api_key", "digest", "asked", "about", "answer"),
        ),
        REVIEWS,
        UPLOADS,
        ROW_ERRORS,
    )


# -- The catalog's --------------------------------------------------------------------------------


def _review_rows(person: Person) -> Iterator[Row]:
    for review in written_by(person.known).select_related("item").order_by("pk"):
        yield {
            "item": review.item.external_id,
            "rating": review.rating,
            "title": review.title,
            "text": review.text,
            "author": review.author,
            "verified": review.verified,
            "written_at": review.written_at,
        }


def _review_names(person: Person) -> set[Name]:
    written = written_by(person.known).values_list("external_id", flat=True)
    return {("review", external_id) for external_id in written}


def _forget_reviews(person: Person) -> None:
    forget_authors(person.known)


REVIEWS = Store(
    "reviews",
    "What the shopper wrote of items",
    When.AFTER,
    (Review,),
    count=lambda person: written_by(person.known).count(),
    rows=_review_rows,
    erase=_forget_reviews,
    names=_review_names,
    keeps="The stars of each review, of nobody.",
)


def _uploads_of(person: Person) -> Iterator[FeedImport]:
    """Uploaded files of reviews that name the shopper: those of other kinds hold no shoppers."""
    if not person.known:
        return
    for upload in FeedImport.objects.filter(content=FeedContent.REVIEWS).exclude(file=""):
        codec = upload.options.get("encoding") or "cp1252"
        ids = {re.escape(each) for value in person.known for each in _written(value, codec)}
        named = re.compile(rb"(?<![\w-])(?:" + b"|".join(sorted(ids)) + rb")(?![\w-])")
        if _says(upload, named):
            yield upload


def _written(value: str, codec: str) -> set[bytes]:
    """An id as the bytes of a feed may have it: in each encoding that feeds are read in, and as
    JSON, XML and CSV write what has a meaning of its own there.

    UTF-16 has bytes between letters, so of a longer id its end or beginning is found too: rather a
    file too many than one too few.
    """
    escaped = json.dumps(value)[1:-1]
    upper = re.sub(r"\\u[0-9a-f]{4}", lambda code: rf"\u{code[0][2:].upper()}", escaped)
    written = {value, escaped, upper, escape(value), value.replace('"', '""')}
    found = set()
    for text in written:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", codec):
            with suppress(UnicodeEncodeError, LookupError):
                found.add(text.encode(encoding))
    return found


def _says(upload: FeedImport, named: re.Pattern[bytes]) -> bool:
    if not upload.file.storage.exists(upload.file.name):
        return False
    with upload.file.open("rb") as stream:
        source, before = Source(stream), b""
        try:
            while chunk := source.read():
                if named.search(before + chunk):
                    return True
                before = (before + chunk)[-OVERLAP:]
        except FeedUnreadable:
            return True  # nobody can tell, so it does not stay
    return False


def _upload_rows(person: Person) -> Iterator[Row]:
    for upload in _uploads_of(person):
        yield {"file": upload.file_name, "imported_at": upload.finished_at}


def _delete_uploads(person: Person) -> None:
    """Those whose import is over: another is found again when the request is tried again."""
    over = {FeedImport.Status.DONE, FeedImport.Status.FAILED}
    for upload in _uploads_of(person):
        if upload.status in over:
            upload.file.delete(save=True)


UPLOADS = Store(
    "uploaded files",
    "Files of reviews that name the shopper",
    When.AFTER,
    (FeedImport,),
    count=lambda person: sum(1 for _ in _uploads_of(person)),
    rows=_upload_rows,
    erase=_delete_uploads,
    keeps="That there was an import, with its counts.",
)


def _row_errors(person: Person) -> QuerySet[FeedRowError]:
    """Refused rows of reviews that repeat an id of the shopper, or of one of the reviews."""
    ids: Iterable[str] = [value for value in person.known if value]
    says = Q(pk__in=[])
    for value in ids:
        whole = rf"(^|[^[:alnum:]_-]){re.escape(value)}($|[^[:alnum:]_-])"
        says |= Q(raw__regex=whole) | Q(message__regex=whole) | Q(external_id=value)
    return FeedRowError.objects.filter(says, feed_import__content=FeedContent.REVIEWS)


ROW_ERRORS = of_rows(
    "refused rows",
    "Rows of uploaded reviews that were not imported and name the shopper",
    _row_errors,
    without=("id", "feed_import"),
)
