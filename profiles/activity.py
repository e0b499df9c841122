"""How busy the shop is, and with what: counts over shoppers, never whose."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Count
from django.db.models.functions import TruncHour

from profiles.global_privacy_control import refused
from profiles.models import Event, EventKind, Purpose


def events_by_hour(since: datetime, until: datetime) -> dict[datetime, int]:
    """How many events occurred in each hour that had any, keyed by the hour's start.

    One statement, on the partitions of the months in question only.
    """
    counted = (
        Event.stored.filter(occurred_at__gte=since, occurred_at__lt=until)
        .order_by()
        .annotate(hour=TruncHour("occurred_at"))
        .values("hour")
        .annotate(events=Count("*"))
    )
    return {row["hour"]: row["events"] for row in counted}


class Takers(NamedTuple):
    """Who had to do with an item lately: `weight` is their sum, each counted by the best and
    freshest thing they did; `shoppers` is how many they are."""

    item: int
    weight: float
    shoppers: int


# Through the index on the time: what it costs grows with the events of the window, not with all.
TAKERS = """
    SELECT item_id, sum(best)::float8, count(*) FROM (
        SELECT e.item_id, e.shopper_id,
               max(k.weight * power(2, -extract(epoch FROM %(now)s - e.occurred_at)
                                       / %(half_life)s)) AS best
        FROM profiles_event e
        JOIN json_each_text(%(weights)s::json) AS named (kind, text) ON named.kind = e.kind
        CROSS JOIN LATERAL (SELECT named.text::float8 AS weight) AS k
        WHERE e.occurred_at > %(since)s AND e.occurred_at <= %(now)s AND e.item_id IS NOT NULL
          AND NOT (e.private AND %(gpc_refuses)s)
          AND EXISTS (
              SELECT FROM profiles_consent c
              WHERE c.shopper_id = e.shopper_id AND c.purpose = %(purpose)s AND c.granted
          )
        GROUP BY e.item_id, e.shopper_id
    ) AS taken GROUP BY item_id
"""


def takers_lately(
    now: datetime, *, window: timedelta, half_life: timedelta, weights: Mapping[str, float]
) -> list[Takers]:
    """What the shoppers who grant research had to do with in the `window` before `now`.

    `weights` says what an event of a kind counts when it happens; half of it after `half_life`.
    One statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            TAKERS,
            {
                "now": now,
                "since": now - window,
                "half_life": half_life.total_seconds(),
                "weights": orjson.dumps({str(k): w for k, w in weights.items()}).decode(),
                "purpose": Purpose.RESEARCH.value,
                "gpc_refuses": refused(Purpose.RESEARCH, gpc=True),
            },
        )
        return [Takers(*row) for row in cursor.fetchall()]


def events_by_decision(since: datetime) -> dict[UUID, int]:
    """How many events since then name each decision that they answer, never whose they are.

    One statement, on the partitions of the months in question only.
    """
    counted = (
        Event.stored.filter(occurred_at__gte=since, decision_id__isnull=False)
        .exclude(kind__in=(EventKind.SEARCH, EventKind.DISMISS))
        .order_by()
        .values_list("decision_id")
        .annotate(events=Count("*"))
    )
    return {decision: events for decision, events in counted if decision is not None}
