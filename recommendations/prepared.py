"""Is a slate that this shopper was served before still what they would be served now?

Whoever writes decisions down keeps the latest slate of a shopper and page. It is served again, by
one statement and without ranking, as long as nothing changed that it depends on: the consent and
the state of the shopper, everything that is settled of the shop (rules, placements, policy, ranker,
catalog, what sells), the price and the stock of each of its items, and not too much time. The
decision is noted with the same ledgers, for they are what chose the items.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson
from django.db import connection
from django.utils import timezone

from profiles.consent import (
    NAMED,
    PERMITTED_SHOPPER,
    STATE_COLUMNS,
    STATE_VERSION,
    state_of,
)
from profiles.identity import ShopperRef
from profiles.models import Identity, Purpose
from recommendations.context import FoundState
from recommendations.models import Placement, PreparedSlate
from recommendations.rules import NO_CIRCUMSTANCES, Circumstances, in_force
from recommendations.values import OfferView, PlacementSettings, RecommendationRequest, Slate
from tenants.outage import DatabaseIsOut, require_database
from tenants.settled import current_generation

logger = logging.getLogger(__name__)

PREPARED_FOR = timedelta(minutes=5)
"""Recency fades and sessions end while nothing is written, and an item that comes back in stock is
no change of those in the slate: this is how late that may be noticed."""

ABOUT_THE_SHOPPER = frozenset(
    {Placement.Question.HOME, Placement.Question.BUY_AGAIN, Placement.Question.EMAIL}
)
"""Questions whose slates come back; what is on a page or in a given cart is another each time."""

DECISION = "00000000-0000-0000-0000-000000000000"
"""Stands in `shown` where the next decision's id belongs."""

READ = f"""
    SELECT p.holds, p.shown, p.noted, {STATE_COLUMNS}
    FROM {PERMITTED_SHOPPER}
    LEFT JOIN LATERAL (
        SELECT shown, noted, (
            SELECT bool_and(
                i.available AND i.archived_at IS NULL AND (o.stock IS NULL OR o.stock > 0)
                AND was.offer = coalesce(
                    o.price::text || '/' || coalesce(o.sale_price::text, '') || '/' || o.currency,
                    '')
            ) AND count(i.id) = cardinality(items)
            FROM unnest(items, offers) AS was (item_id, offer)
            LEFT JOIN catalog_item i ON i.id = was.item_id
            LEFT JOIN catalog_offer o ON o.item_id = was.item_id
        ) AS holds
        FROM recommendations_preparedslate
        WHERE shopper_id = i.shopper_id AND page = %(page)s AND version = {STATE_VERSION}
          AND generation = %(generation)s AND good_until > %(now)s
    ) AS p ON true
    WHERE {NAMED}
"""  # noqa: S608  # made of constants


@dataclass(frozen=True, slots=True)
class Ready:
    """A prepared slate that may be served: its items and what a decision notes, both as JSON."""

    shopper_id: int
    shown: str
    noted: str


def page_of(
    settings: PlacementSettings,
    said: Mapping[str, Any],
    *,
    now: datetime,
    around: Circumstances = NO_CIRCUMSTANCES,
) -> str | None:
    """A digest of all that a request says but for who asks; None where no slate is prepared.

    A frequency cap asks for another slate each time. A margin depends on costs, which are not
    compared.
    """
    guard = settings.guard
    if settings.question not in ABOUT_THE_SHOPPER or guard.cap or guard.minimum_margin is not None:
        return None
    rules = in_force(settings.rules, now, around)
    if any(
        rule.target.margin_from is not None or rule.target.margin_below is not None
        for rule in rules
    ):
        return None
    named = orjson.dumps(
        [said, [rule.id for rule in rules], around], option=orjson.OPT_SORT_KEYS, default=str
    )
    return blake2b(named, digest_size=16).hexdigest()


def find_ready(page: str, shopper: ShopperRef, *, now: datetime) -> Ready | FoundState | None:
    """The prepared slate of this page, if all that it depends on is as it was; else the shopper's
    state, read along. One query.

    None where something of it is out or broken: the live path finds out what, and goes on.
    """
    kind = Identity.Kind.KNOWN if shopper.known else Identity.Kind.ANONYMOUS
    try:
        require_database()
        with connection.cursor() as cursor:
            cursor.execute(
                READ,
                {
                    "page": page,
                    # While Valkey is out nobody knows whether something has changed.
                    "generation": current_generation() or "",
                    "now": now,
                    "purpose": Purpose.PERSONALIZATION.value,
                    "kind": kind.value,
                    "value": shopper.known or shopper.anonymous,
                },
            )
            row = cursor.fetchone()
        if row is None:
            return FoundState(None)
        holds, shown, noted, *state = row
        return Ready(state[0], shown, noted) if holds else FoundState(state_of(state))
    except DatabaseIsOut:
        return None  # the live path says so
    except Exception:
        logger.exception("A prepared slate could not be read")
        return None


@dataclass(frozen=True, slots=True)
class Preparation:
    """What it takes to serve a slate again: the page it answers, all that it depends on, and its
    items as they were answered, which nobody changes any more."""

    page: str
    version: str
    generation: str
    shown: Sequence[Any]

    def as_json(self, slate: Slate) -> dict[str, Any]:
        """What `prepare` needs besides the decision."""
        text = orjson.dumps(self.shown).decode().replace(str(slate.decision_id), DECISION)
        return {
            "page": self.page,
            "version": self.version,
            "generation": self.generation,
            "offers": [_told(item.offer) for item in slate.items],
            "shown": text,
        }


def to_prepare(
    slate: Slate, request: RecommendationRequest, page: str | None, shown: Sequence[Any]
) -> Preparation | None:
    """How to serve an answer again; None for one that is for once only."""
    generation = current_generation()
    if page is None or generation is None or not slate.personalized or slate.fallbacks:
        return None
    return Preparation(page, request.shopper_version, generation, shown)


def prepare(entries: Iterable[Mapping[str, Any]], shoppers: set[int]) -> None:
    """Keep the slates of these decisions, as the buffer holds them, and forget outdated ones."""
    latest = {
        (entry["shopper_id"], entry["prepare"]["page"]): entry
        for entry in entries
        if entry.get("prepare") and entry["shopper_id"] in shoppers
    }
    PreparedSlate.objects.filter(good_until__lt=timezone.now()).delete()
    PreparedSlate.objects.bulk_create(
        [
            PreparedSlate(
                shopper_id=shopper,
                page=page,
                version=entry["prepare"]["version"],
                generation=entry["prepare"]["generation"],
                good_until=datetime.fromtimestamp(entry["served_at"], UTC) + PREPARED_FOR,
                items=[item["item_id"] for item in entry["items"]],
                offers=entry["prepare"]["offers"],
                shown=entry["prepare"]["shown"],
                noted=orjson.dumps(
                    {name: entry[name] for name in ("candidates", "signals", "items")}
                ).decode(),
            )
            for (shopper, page), entry in sorted(latest.items())
        ],
        update_conflicts=True,
        unique_fields=["shopper", "page"],
        update_fields=[
            "version", "generation", "good_until", "items", "offers", "shown", "noted",
        ],
    )  # fmt: skip


def _told(offer: OfferView | None) -> str:
    """An offer as READ writes it: amounts as the database holds them."""
    if offer is None:
        return ""
    sale = "" if offer.sale_price is None else offer.sale_price
    return f"{offer.price}/{sale}/{offer.currency}"
