"""Which items of the catalog a rule is for: how many, and the best-selling of them.

Measured when a rule is saved and every ten minutes, never while a shopper waits: a request
applies rules to its own candidates, and reads here only which items to consider.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from recommendations.models import MerchandisingRule
from recommendations.rule_reading import rule_of
from recommendations.rules import LIFTING, Target
from recommendations.segments import SEPARATOR
from tenants.settled import unsettle

KEPT = 50
"""How many items a rule proposes at most: a slate's worth, and some to lose."""


class Reach(NamedTuple):
    """How many items that may be shown now a target is for, and ids of those that sell best."""

    items: int
    best: tuple[int, ...]


NOTHING = Reach(0, ())


def reach_of(target: Target, now: datetime, *, most: int = KEPT) -> Reach:
    """Count the items; a target that says nothing is for none. One statement, which reads the
    catalog once unless an index serves it."""
    where, parameters = conditions_of(target, now)
    if not where:
        return NOTHING
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH meant AS MATERIALIZED (
                SELECT i.id, coalesce(f.popularity, 0) AS popularity
                FROM catalog_item i
                LEFT JOIN catalog_offer o ON o.item_id = i.id
                LEFT JOIN recommendations_itemfacts f ON f.item_id = i.id
                WHERE i.available AND i.archived_at IS NULL AND (o.stock IS NULL OR o.stock > 0)
                  AND {" AND ".join(where)}
            )
            SELECT (SELECT count(*) FROM meant), ARRAY(
                SELECT id FROM meant ORDER BY popularity DESC, id LIMIT %(most)s
            )
            """,  # noqa: S608  # made of the constants below
            {**parameters, "most": most},
        )
        row = cursor.fetchone()
    items, best = row or (0, [])
    return Reach(items, tuple(best))


def measure(rule: MerchandisingRule, now: datetime | None = None) -> Reach:
    """Count a stored rule's items and keep what it proposes; settles anew only what changed."""
    now = now or timezone.now()
    found = rule_of(rule)
    reach = reach_of(found.target, now)
    proposed = list(reach.best) if rule.kind in LIFTING and found.target.item_id is None else []
    changed = proposed != rule.proposed
    rule.matching_items, rule.proposed, rule.measured_at = reach.items, proposed, now
    # Not through the model's own save: a count changes nothing that is served.
    MerchandisingRule._base_manager.filter(pk=rule.pk).update(  # noqa: SLF001  # Django's own
        matching_items=reach.items, proposed=proposed, measured_at=now
    )
    if changed:
        unsettle()
    return reach


def measure_live_rules(now: datetime) -> int:
    """Measure every rule that is live and not over; how many that are."""
    rules = list(MerchandisingRule.objects.live().not_over(now))
    for rule in rules:
        measure(rule, now)
    return len(rules)


PRICE = "coalesce(o.sale_price, o.price)"
MARGIN = f"({PRICE} - o.cost) / nullif({PRICE}, 0)"
PATH = "%(separator)s || array_to_string(i.category_path, %(separator)s) || %(separator)s"
VALUES = "jsonb_path_query(i.attributes -> %(attribute)s, '$[*]') AS value"
TEXT = """CASE jsonb_typeof(value) WHEN 'number' THEN trim_scale((value #>> '{}')::numeric)::text
    ELSE lower(btrim(value #>> '{}')) END"""
NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2})?\s*$"


def conditions_of(target: Target, now: datetime) -> tuple[list[str], dict[str, Any]]:
    """A target as SQL over item `i` and offer `o`; the same as `pipeline.rulebook` applies."""
    asked = {
        "item": ("i.id = %(item)s", target.item_id),
        "brand": ("i.brand = %(brand)s", target.brand or None),
        # The index finds the names; that they follow each other is looked at after.
        "category": (
            f"i.category_path @> %(category)s::varchar[] AND strpos({PATH}, %(path)s) > 0",
            list(target.category) or None,
        ),
        "on_sale": ("o.sale_price IS NOT NULL", target.on_sale or None),
        "since": ("i.created_at > %(since)s", target.newer_than and now - target.newer_than),
        "price_from": (f"{PRICE} >= %(price_from)s::float8", target.price_from),
        "price_to": (f"{PRICE} <= %(price_to)s::float8", target.price_to),
        "price_above": (f"{PRICE} > %(price_above)s::float8", target.price_above),
        "currency": ("o.currency = %(currency)s", target.currency or None),
        "margin_from": (f"{MARGIN} >= %(margin_from)s::float8", target.margin_from),
        "margin_below": (f"{MARGIN} < %(margin_below)s::float8", target.margin_below),
        "attribute": (_attribute(target), target.attribute or None),
    }
    parameters: dict[str, Any] = {
        "separator": SEPARATOR,
        "path": f"{SEPARATOR}{SEPARATOR.join(target.category)}{SEPARATOR}",
        "values": sorted(target.values),
        "at_least": target.at_least,
        "at_most": target.at_most,
        "number": NUMBER,
    }
    parameters |= {name: value for name, (_, value) in asked.items()}
    return [sql for sql, value in asked.values() if value is not None], parameters


def _attribute(target: Target) -> str:
    """Whether one value of the attribute is meant. A text that is a number counts as one."""
    where = ["value <> 'null'"]
    if target.values:
        where.append(f"{TEXT} = ANY(%(values)s)")
    if target.at_least is not None or target.at_most is not None:
        where.append("jsonb_typeof(value) IN ('number', 'string')")
        number = "CASE WHEN value #>> '{}' ~ %(number)s THEN (value #>> '{}')::float8 END"
        if target.at_least is not None:
            where.append(f"{number} >= %(at_least)s::float8")
        if target.at_most is not None:
            where.append(f"{number} <= %(at_most)s::float8")
    return f"EXISTS (SELECT FROM {VALUES} WHERE {' AND '.join(where)})"  # constants
