"""Keeping what was searched for: to a buffer as it is answered, to the table after.

As with decisions, by way of a `buffer`. The ids of a visitor are in the buffer only; the table has
the shopper where analytics is granted.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings

from catalog.search.filter_syntax import write_filter
from catalog.search.understanding.words import fold
from profiles.consent import granted_since
from profiles.global_privacy_control import refused
from profiles.identity import ShopperRef, resolve
from profiles.models import Purpose
from recommendations.buffer import Buffer, Entry
from recommendations.fallbacks import Fallback
from recommendations.search_models import Search
from recommendations.searching.values import SearchAnswer
from tenants.connection import tenant_id
from tenants.tasks import current_schema
from tenants.tombstones import Name
from tenants.tombstones import refused as erased_of

DRAWERS = 256


def record_search(answer: SearchAnswer) -> None:
    """Note the search; it is in the buffer some milliseconds after the answer (`buffer`).

    Never raises: an answer that is ready is not withheld because it cannot be noted.
    """
    buffer.add(orjson.dumps(_compact(answer)))


def write_searches() -> int:
    """Move what is buffered to the table; how many searches that were (`Buffer.move`)."""
    return buffer.move()


def delete_old(before: datetime) -> int:
    """Delete the searches before a moment; how many that were. Those of shoppers under a
    restriction stay."""
    old = Search.objects.older_than(before).exclude(shopper__restricted_at__isnull=False)
    deleted, _ = old.delete()
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
    named = not refused(Purpose.ANALYTICS, gpc=query.gpc)
    return {
        "id": str(answer.search_id),
        "tenant": tenant_id(),
        "at": answer.searched_at.timestamp(),
        "text": query.text,
        "language": query.language,
        "known": named and query.shopper and query.shopper.known,
        "anonymous": named and query.shopper and query.shopper.anonymous,
        "drawer": drawer_of(answer) if named else None,
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


def _write(compact: Sequence[Entry]) -> None:
    refs = {
        ref for entry in compact if (ref := ShopperRef.given(entry["known"], entry["anonymous"]))
    }
    shoppers = resolve(refs)
    erased = erased_of({_name(ref) for ref in refs - shoppers.keys()})
    compact = [
        entry
        for entry in compact
        if not (ref := ShopperRef.given(entry["known"], entry["anonymous"]))
        or _name(ref) not in erased
    ]
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


def _name(ref: ShopperRef) -> Name:
    """The id that tells who is meant, as tombstones take it."""
    return ("known", ref.known) if ref.known else ("anonymous", ref.anonymous or "")


def _granted(
    entry: dict[str, Any], shoppers: dict[ShopperRef, int], since: dict[int, datetime]
) -> int | None:
    """The shopper who searched, if analytics was granted at that time and is now."""
    ref = ShopperRef.given(entry["known"], entry["anonymous"])
    shopper = shoppers.get(ref) if ref else None
    if shopper is None or shopper not in since:
        return None
    return shopper if since[shopper].timestamp() <= entry["at"] else None


buffer = Buffer("searches", _write, fallback=Fallback.SEARCH_LOG)
