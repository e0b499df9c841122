"""The slate for a request as the API answers it: one that was prepared, else one made now."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import DatabaseError
from django.utils import timezone

from profiles.global_privacy_control import refused
from profiles.identity import ShopperRef
from profiles.models import Purpose
from recommendations.api.outputs import slate_output
from recommendations.context import FoundState, build_request
from recommendations.feedback import record_prepared, record_served
from recommendations.placements import placement_settings
from recommendations.prepared import DECISION, Ready, find_ready, page_of, to_prepare
from recommendations.recommend import recommend
from recommendations.rules import NO_CIRCUMSTANCES, Circumstances


def answer(
    placement: str,
    *,
    shopper: ShopperRef | None,
    item: str | None = None,
    cart_items: Sequence[str] | None = None,
    limit: int,
    around: Circumstances = NO_CIRCUMSTANCES,
    gpc: bool = False,
) -> dict[str, Any]:
    """`SlateOutput`, and the decision is noted. One to three queries.

    With `gpc`, Global Privacy Control, a shopper is served as one who does not grant
    personalization, if the shop lets the signal refuse that.

    Raises DomainError as `build_request` does.
    """
    started, now = time.perf_counter(), timezone.now()
    page, found = None, None
    if shopper is not None and refused(Purpose.PERSONALIZATION, gpc=gpc):
        found = FoundState(None)
    elif shopper is not None and item is None and cart_items is None:
        page = _page(placement, limit, now, around)
        ready = find_ready(page, shopper, now=now) if page else None
        if isinstance(ready, Ready):
            return _again(ready, placement, limit=limit, now=now, started=started)
        found = ready
    request = build_request(
        placement,
        shopper=shopper,
        item=item,
        cart_items=cart_items,
        limit=limit,
        now=now,
        around=around,
        found=found,
    )
    slate = recommend(request)
    output = slate_output(slate)
    record_served(slate, again=to_prepare(slate, request, page, output["items"]))
    return output


def _page(placement: str, limit: int, now: datetime, around: Circumstances) -> str | None:
    try:
        settings = placement_settings(placement)
    except DatabaseError:
        return None  # `build_request` knows what to do then
    return page_of(settings, {"placement": placement, "limit": limit}, now=now, around=around)


def _again(
    ready: Ready, placement: str, *, limit: int, now: datetime, started: float
) -> dict[str, Any]:
    decision = record_prepared(
        ready,
        settings=placement_settings(placement),
        limit=limit,
        now=now,
        latency_ms=(time.perf_counter() - started) * 1000,
    )
    return {
        "decision": str(decision),
        "placement": placement,
        "personalized": True,
        "fallbacks": [],
        "items": orjson.Fragment(ready.shown.replace(DECISION, str(decision))),
    }
