"""Keeping what was searched for: to a buffer as it is answered, to the table after.

As with decisions: the buffer is a list in Valkey, and what the task has written it removes. The
ids of a visitor are in the buffer only; the table has the shopper where analytics is granted.
"""

import hashlib
import hmac
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from catalog.search.filter_syntax import write_filter
from catalog.search.understanding.words import fold
from profiles.consent import granted_since
from profiles.identity import ShopperRef, resolve
from profiles.models import Purpose
from recommendations.fallbacks import Fallback, note_fallback
from recommendations.feedback import PUSH_IF_OPEN
from recommendations.outbox import Outbox
from recommendations.search_models import Search
from recommendations.searching.values import SearchAnswer
from tenants.models import Tenant
from tenants.outage import require_database
from tenants.settled import generation_key
from tenants.tasks import current_schema

logger = logging.getLogger(__name__)

BATCH = 500
DRAWERS = 256


def record_search(answer: SearchAnswer) -> None:
    """Note the search; it is in the buffer some milliseconds after the answer (`outbox`).

    Never raises: an answer that is ready is not withheld because it cannot be noted.
    """
    outbox.add(orjson.dumps(_compact(answer)))


def _send(entries: Sequence[bytes]) -> None:
    """Push entries to the buffer of the current schema; to the table when the buffer is out.

    Nothing is left behind for a tenant that was closed (see `feedback`).
    """
    schema = current_schema()
    try:
        buffer = get_redis_connection("default")
        if buffer.eval(PUSH_IF_OPEN, 2, buffer_key(), generation_key(schema), *entries):
            return
    except RedisError:
        logger.exception("The buffer of searches is out")
    try:
        require_database()
        if Tenant.objects.filter(schema_name=schema).exists():
            _write(entries)
    except DatabaseError:
        for _ in entries:
            note_fallback(Fallback.SEARCH_LOG)


outbox = Outbox(_send)


def buffer_key() -> str:
    return f"{current_schema()}:searches"


def write_searches() -> int:
    """Move what is buffered to the table; how many searches that were.

    Safe to interrupt and to run twice: what was written but not yet removed is recognized by its
    id, and an entry is removed by what it says.
    """
    outbox.flush()
    buffer = get_redis_connection("default")
    written = 0
    while entries := buffer.lrange(buffer_key(), 0, BATCH - 1):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [buffer_key()])
            _write(entries)
        with buffer.pipeline() as pipeline:
            for entry in entries:
                pipeline.lrem(buffer_key(), 1, entry)
            written += sum(pipeline.execute())
    return written


def delete_expired(now: datetime) -> int:
    """Delete searches past their retention; how many that were."""
    deleted, _ = Search.objects.expired(now).delete()
    return int(deleted)


def normal(text: str) -> str:
    """A query as it is counted: case, accents and extra spaces make no other query of it."""
    return " ".join(fold(text).split())


def drawer_of(answer: SearchAnswer) -> int | None:
    """Which of the drawers the visitor falls in; None for one without any id.

    Keyed with the platform's secret, so that an id cannot be looked up. Many shoppers share a
    drawer: different drawers are different shoppers, the same one may be anybody.
    """
    ref = answer.query.shopper
    name = (ref and (ref.known or ref.anonymous)) or answer.query.session
    if not name:
        return None
    said = f"{current_schema()}:{name}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), said, hashlib.sha256).digest()[0] % DRAWERS


def _compact(answer: SearchAnswer) -> dict[str, Any]:
    query = answer.query
    return {
        "id": str(answer.search_id),
        "at": answer.searched_at.timestamp(),
        "text": query.text,
        "language": query.language,
        "known": query.shopper and query.shopper.known,
        "anonymous": query.shopper and query.shopper.anonymous,
        "drawer": drawer_of(answer),
        "results": answer.total,
        "rescues": answer.rescues,
        "corrected": answer.corrected or "",
        "filters": [write_filter(each) for each in query.filters],
        "understood": [f"{each.state}: {each.constraint.id}" for each in answer.understood],
        "sort": query.sort,
        "offset": query.offset,
        "personalized": answer.personalized,
        "fallbacks": answer.fallbacks,
        "latency_ms": answer.latency_ms,
    }


def _write(entries: Iterable[bytes]) -> None:
    compact = [orjson.loads(entry) for entry in entries]
    refs = {
        ref for entry in compact if (ref := ShopperRef.given(entry["known"], entry["anonymous"]))
    }
    shoppers = resolve(refs)
    granted = granted_since(set(shoppers.values()), Purpose.ANALYTICS)
    Search.objects.bulk_create(
        [
            Search(
                id=entry["id"],
                searched_at=datetime.fromtimestamp(entry["at"], UTC),
                text=entry["text"],
                folded=normal(entry["text"]),
                language=entry["language"],
                shopper_id=_granted(entry, shoppers, granted),
                drawer=entry["drawer"],
                results=entry["results"],
                rescues=entry["rescues"],
                corrected=entry["corrected"],
                filters=entry["filters"],
                understood=[text[:600] for text in entry["understood"]],
                sort=entry["sort"],
                offset=entry["offset"],
                personalized=entry["personalized"],
                fallbacks=entry["fallbacks"],
                latency_ms=entry["latency_ms"],
            )
            for entry in compact
        ],
        ignore_conflicts=True,
    )


def _granted(
    entry: dict[str, Any], shoppers: dict[ShopperRef, int], since: dict[int, datetime]
) -> int | None:
    """The shopper who searched, if analytics was granted at that time and is now."""
    ref = ShopperRef.given(entry["known"], entry["anonymous"])
    shopper = shoppers.get(ref) if ref else None
    if shopper is None or shopper not in since:
        return None
    return shopper if since[shopper].timestamp() <= entry["at"] else None
