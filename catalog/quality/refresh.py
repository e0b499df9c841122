"""Judging the catalog: all of it by night, and what changed soon after it did."""

import json
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone

from catalog.quality.judging import (
    CHANGED,
    FORGET_ARCHIVED,
    GTIN_NAMES,
    JUDGE,
    JUDGE_ALL,
    JUDGE_SOME,
    MIN_PRICES,
    MIN_SPREAD,
    PRICE_RANGES,
    SEPARATOR,
    SHARED,
    SPACELESS,
    TEMPORARY,
    add_sharing,
)
from catalog.quality.language import ALIKE, MAX_CHARS, language_of
from catalog.quality.policy import points_of, quality_policy
from tenants.connection import connection
from tenants.deadlocks import in_transaction
from tenants.tasks import find_current_tenant

logger = logging.getLogger(__name__)

LANGUAGE_BATCH = 2_000

# What to read for telling the language: whose text may have changed since it was last told.
TEXTS = f"""
    SELECT i.id, i.title || '. ' || left(i.description, {MAX_CHARS})
    FROM quality_judged j JOIN catalog_item i ON i.id = j.item_id
    LEFT JOIN catalog_itemquality q ON q.item_id = i.id
    WHERE NOT j.witness AND i.id > %s
      AND (q.item_id IS NULL OR i.updated_at > q.checked_at - interval '1 minute')
    ORDER BY i.id LIMIT {LANGUAGE_BATCH}
"""  # noqa: S608  # made of numbers


def check_catalog(now: datetime | None = None) -> int:
    """Judge every listed item by the policy of now. Returns how many. Safe to run twice.

    Set-based: 100,000 items take seconds, the first time some more, for telling languages.
    """
    return in_transaction(lambda: _check(None, now or timezone.now()))


def check_items(item_ids: Iterable[int], now: datetime | None = None) -> int:
    """Judge these items, and those that share a title, SKU or GTIN with one, now or before."""
    ids = list(item_ids)
    return in_transaction(lambda: _check(ids, now or timezone.now())) if ids else 0


def check_changed(now: datetime | None = None) -> int:
    """Judge what changed since it was judged. Reads keys and times of all items: a second for a
    million. Prices are held against the ranges that the last check of everything found."""
    with connection.cursor() as cursor:
        cursor.execute(CHANGED)
        changed = [item for (item,) in cursor.fetchall()]
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM catalog_itemquality q JOIN catalog_item i"
            " ON i.id = q.item_id WHERE i.archived_at IS NOT NULL)"
        )
        (archived,) = cursor.fetchone() or (False,)
    if not changed and not archived:
        return 0
    return in_transaction(lambda: _check(changed, now or timezone.now()))


def _check(items: list[int] | None, now: datetime) -> int:
    with connection.cursor() as cursor:
        # Checks take turns: two at once would judge by halves of each other's work.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{connection.schema_name}:quality"]
        )
        cursor.execute(TEMPORARY)
        parameters = _parameters(now)
        cursor.execute(FORGET_ARCHIVED)
        left = cursor.fetchall()
        if items is None:
            cursor.execute(JUDGE_ALL, parameters)
            cursor.execute("DELETE FROM catalog_pricerange")
            cursor.execute(PRICE_RANGES, parameters)
            items = []
        else:
            parameters["items"] = items
            cursor.execute(JUDGE_SOME, parameters)
            _judge_those_left(cursor, [key for _, keys in left for key in keys], parameters)
            for witness in (False, True):
                cursor.execute(add_sharing(len(items)), {**parameters, "witness": witness})
        cursor.execute("ANALYZE quality_judged")
        _tell_languages(cursor)
        cursor.execute(SHARED)
        cursor.execute("ANALYZE quality_shared")
        cursor.execute(JUDGE, {**parameters, "items": items})
        cursor.execute("SELECT count(*) FROM quality_judged WHERE NOT witness")
        (judged,) = cursor.fetchone() or (0,)
        cursor.execute("DROP TABLE quality_judged, quality_languages, quality_shared")
    logger.info("Checked the quality of %d items", judged)
    return int(judged)


def _judge_those_left(cursor: Any, keys: list[str], parameters: dict[str, Any]) -> None:
    """Whose double was archived may be the only one of its kind now."""
    if keys:
        cursor.execute(
            "SELECT item_id FROM catalog_itemquality WHERE keys && %s::varchar[]", [keys]
        )
        others = [item for (item,) in cursor.fetchall() if item not in set(parameters["items"])]
        cursor.execute(JUDGE_SOME, {**parameters, "items": others})


def _tell_languages(cursor: Any) -> None:
    last = 0
    while True:
        cursor.execute(TEXTS, [last])
        rows = cursor.fetchall()
        if not rows:
            return
        last = rows[-1][0]
        with cursor.copy("COPY quality_languages FROM STDIN") as copy:
            for item, text in rows:
                copy.write_row((item, language_of(text)))


def _parameters(now: datetime) -> dict[str, Any]:
    policy = quality_policy()
    tenant = find_current_tenant()
    return {
        "now": now,
        "language": tenant.language if tenant else "",
        "points": json.dumps(points_of(policy)),
        "alike": json.dumps(ALIKE),
        "gtin_names": list(GTIN_NAMES),
        "spaceless": SPACELESS,
        "separator": SEPARATOR,
        "min_prices": MIN_PRICES,
        "min_spread": MIN_SPREAD,
        "minimum_description_words": policy.minimum_description_words,
        "minimum_images": policy.minimum_images,
        "minimum_title_characters": policy.minimum_title_characters,
        "minimum_reviews": policy.minimum_reviews,
        "price_deviations": policy.price_deviations,
        "sold_out_days": policy.sold_out_days,
    }
