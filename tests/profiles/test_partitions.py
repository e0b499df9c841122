"""The monthly partitions: made when the first event of a month comes, by whoever comes first."""

from datetime import UTC, datetime

import pytest
from django.core.cache import cache
from django.db import connection

from profiles.contract import OLDEST
from profiles.ingest import OutcomeStatus, record_events
from profiles.models import Event
from profiles.partitions import month_bounds
from tests.conftest import ApiClient, TenantPair
from tests.make import make_item
from tests.threads import at_once


def partitions() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
            " WHERE inhparent = 'profiles_event'::regclass"
        )
        return {name for (name,) in cursor.fetchall()}


def view_at(moment: str, shopper: str = "s-1") -> dict[str, str]:
    return {"kind": "view", "shopper": shopper, "item": "A", "occurred_at": moment}


def test_a_month_gets_its_partition_with_its_first_event(api: ApiClient) -> None:
    make_item("A")
    before = partitions()
    outcomes = record_events(
        [
            view_at("2001-02-28T23:59:59.999999Z"),
            view_at("2001-03-01T00:00:00Z"),
            view_at("2001-03-31T23:30:00-02:00"),  # April by then, in UTC
            view_at(OLDEST.isoformat()),
        ]
    )
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.STORED}
    assert partitions() - before == {
        "profiles_event_2000_01",
        "profiles_event_2001_02",
        "profiles_event_2001_03",
        "profiles_event_2001_04",
    }
    assert Event.stored.count() == 4


def test_a_month_is_made_once_by_two_who_come_at_the_same_time(committed: TenantPair) -> None:
    make_item("A")
    months = [f"2003-{month:02}-15T00:00:00Z" for month in range(1, 7)]

    def send(turn: int) -> list[OutcomeStatus]:
        moments = months[turn:] + months[:turn]
        told = record_events([view_at(at, f"s-{turn}") for at in moments])
        return [outcome.status for outcome in told]

    outcomes = at_once(*[lambda turn=turn: send(turn) for turn in range(5)])
    assert {status for told in outcomes for status in told} == {OutcomeStatus.STORED}
    assert Event.stored.count() == 30
    assert {f"profiles_event_2003_{month:02}" for month in range(1, 7)} <= partitions()


def test_what_the_cache_says_of_partitions_is_the_tenants_own(committed: TenantPair) -> None:
    from django_tenants.utils import schema_context  # noqa: PLC0415  # used here only

    for schema in ("here", "there"):
        with schema_context(schema):
            make_item("A")
            (outcome,) = record_events([view_at("2004-01-01T00:00:00Z")])
            assert outcome.status == OutcomeStatus.STORED
            assert (2004, 1) in cache.get("event-partitions")
            assert "profiles_event_2004_01" in partitions()


@pytest.mark.parametrize(
    ("year", "month", "end"), [(2026, 1, (2026, 2, 1)), (2026, 12, (2027, 1, 1))]
)
def test_a_month_ends_where_the_next_begins(
    year: int, month: int, end: tuple[int, int, int]
) -> None:
    assert month_bounds(year, month) == (
        datetime(year, month, 1, tzinfo=UTC),
        datetime(*end, tzinfo=UTC),
    )
