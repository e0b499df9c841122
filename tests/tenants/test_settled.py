"""Values that are settled: read once, dropped by every process when they change."""

import time
from datetime import timedelta

import pytest
from django.db import OperationalError, transaction
from django_redis import get_redis_connection
from django_tenants.utils import schema_context

from profiles.policy import set_signal_policy, signal_policy
from profiles.policy_models import SignalPolicy
from profiles.signals import SignalKind
from recommendations.models import MerchandisingRule, Placement
from recommendations.placements import ensure_default_placements, placement_settings
from tenants import settled as module
from tenants.models import Tenant
from tenants.settled import one_look, settled, unsettle
from tests.conftest import TenantPair
from tests.make import make_item
from tests.threads import at_once


class Source:
    """A row that may change, and whose reads are counted."""

    def __init__(self, value: str | None = "first") -> None:
        self.value = value
        self.reads = 0
        self.out = False

    def __call__(self) -> str | None:
        self.reads += 1
        if self.out:
            raise OperationalError("The database is out.")
        return self.value


def changed_elsewhere() -> None:
    """Another process unsettled what is ours."""
    get_redis_connection("default").set(module.generation_key("ours"), "another")


def test_a_value_is_read_once_and_again_after_a_change(tenant: Tenant) -> None:
    source = Source()
    assert [settled("name", source) for _ in range(3)] == ["first"] * 3
    assert source.reads == 1
    source.value = "second"
    assert settled("name", source) == "first"
    unsettle()
    assert settled("name", source) == "second"
    assert source.reads == 2


def test_nothing_is_kept_of_what_is_not_there(tenant: Tenant) -> None:
    source = Source(None)
    assert settled("name", source) is settled("name", source) is None
    assert source.reads == 2


def test_each_schema_settles_its_own(tenants: TenantPair, tenant: Tenant) -> None:
    for schema in ("ours", "theirs"):
        with schema_context(schema):
            assert settled("name", Source(schema)) == schema
    with schema_context("theirs"):
        unsettle()
        assert settled("name", lambda: "anew") == "anew"
    assert settled("name", lambda: "anew") == "ours", "a change over there is none here"


def test_another_process_notices_a_change(tenant: Tenant) -> None:
    source = Source()
    settled("name", source)
    kept = dict(module._kept)
    unsettle()
    module._kept.update(kept)  # what a process still has that did not make the change
    source.value = "second"
    assert settled("name", source) == "second"


def test_within_one_request_the_generation_is_read_once(tenant: Tenant) -> None:
    source = Source()
    with one_look():
        settled("name", source)
        changed_elsewhere()
        assert settled("name", source) == "first"
        assert source.reads == 1
    settled("name", source)
    assert source.reads == 2


def test_a_change_while_reading_is_not_overlooked(tenant: Tenant) -> None:
    def read_too_early() -> str:
        changed_elsewhere()
        return "old"

    assert settled("name", read_too_early) == "old"
    assert settled("name", lambda: "new") == "new"


def test_a_change_in_a_transaction_holds_from_its_commit_on(committed: TenantPair) -> None:
    make_item()
    assert SignalKind.VIEW in signal_policy().may_cite
    with transaction.atomic():
        set_signal_policy(SignalKind.VIEW, may_rank=True, may_cite=False)
        # Others still read the old rows, and settle them.
        assert at_once(lambda: SignalKind.VIEW in signal_policy().may_cite) == [True]
    assert SignalKind.VIEW not in signal_policy().may_cite
    assert at_once(lambda: SignalKind.VIEW in signal_policy().may_cite) == [False]


def test_rows_deleted_or_changed_many_at_a_time_are_noticed(tenant: Tenant) -> None:
    """As the admin deletes what is selected in a list."""
    ensure_default_placements()
    set_signal_policy(SignalKind.VIEW, may_rank=False, may_cite=False)
    rule = MerchandisingRule.objects.create(
        status="live", name="No", kind="exclude", category="Camping"
    )
    assert SignalKind.VIEW not in signal_policy().may_rank
    assert [r.id for r in placement_settings("home").rules] == [rule.pk]

    SignalPolicy.objects.filter(signal_kind=SignalKind.VIEW).delete()
    assert SignalKind.VIEW in signal_policy().may_rank
    MerchandisingRule.objects.all().update(kind="bury")
    assert [r.kind for r in placement_settings("home").rules] == ["bury"]
    MerchandisingRule.objects.all().delete()
    assert placement_settings("home").rules == ()
    Placement.objects.filter(code="home").update(diversity=0.75)
    assert placement_settings("home").diversity == 0.75


def test_a_value_is_kept_through_an_outage_of_the_database(tenant: Tenant) -> None:
    source = Source()
    settled("name", source)
    unsettle()
    settled("name", source)
    changed_elsewhere()
    source.out = True
    reads = source.reads
    assert [settled("name", source) for _ in range(3)] == ["first"] * 3
    assert source.reads == reads + 1, "nobody waits for the database again just now"
    with pytest.raises(OperationalError):
        settled("never read", source)


def test_while_valkey_is_out_values_are_good_for_a_minute_and_read_anew_afterwards(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source()
    settled("name", source)
    monkeypatch.setattr(module, "_generation", lambda: None)
    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    assert [settled("name", source) for _ in range(3)] == ["first"] * 3
    assert source.reads == 2
    clock[0] += 61
    source.value = "second"
    assert settled("name", source) == "second"
    monkeypatch.undo()
    source.value = "third"
    assert settled("name", source) == "third", "what was changed meanwhile nobody could tell"


def test_a_change_that_nobody_could_tell_is_noticed_after_a_while(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source()
    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    settled("name", source)
    settled("short", source, at_most=timedelta(seconds=5))
    source.value = "second"
    clock[0] += 6
    assert settled("name", source) == "first"
    assert settled("short", source, at_most=timedelta(seconds=5)) == "second"
    clock[0] += module.KEPT_FOR.total_seconds()
    assert settled("name", source) == "second"


def test_memory_is_bounded(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 10)
    for number in range(100):
        settled(f"name-{number}", Source())
    assert len(module._kept) <= 10
