"""Importing a historical log: every row once, on a stated consent basis, and in the states."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django_tenants.utils import schema_context

from profiles.event_log import ImportReport, LogFormat, import_events
from profiles.models import Event, EventImport, Purpose
from profiles.retention_models import RetentionRule
from profiles.state import rebuild_states
from tenants.errors import DomainError
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.profiles.states import find_state, state_of

LOG = """Customer,Invoice,Code,Date,Qty,Price
17850.0,1,A,2025-12-01 08:26:00,6,2.55
17850.0,1,B,2025-12-01 08:26:00,1,3.39
17850.0,1,B,2025-12-01 08:26:00,1,3.39
17850.0,2,A,2025-12-03 10:00:00,-2,2.55
,3,A,2025-12-04 10:00:00,1,2.55
13047.0,4,unknown,2025-12-04 10:00:00,1,2.55
13047.0,5,A,not a date,1,2.55
"""
FORMAT = LogFormat(
    columns={
        "shopper": "Customer", "guest": "Invoice", "session": "Invoice", "item": "Code",
        "occurred_at": "Date", "quantity": "Qty", "unit_price": "Price",
    },
    currency="GBP",
)  # fmt: skip


def imported(
    text: str = LOG, *, granted: bool | None = True, log_format: LogFormat = FORMAT
) -> tuple[EventImport, ImportReport]:
    return import_events(
        io.StringIO(text),
        log_format,
        file_name="log.csv",
        purposes={} if granted is None else {Purpose.PERSONALIZATION: granted},
        source="the shop's terms",
    )


def test_a_log_is_stored_once_and_bad_rows_are_reported(api: ApiClient) -> None:
    make_item("A")
    make_item("B")
    first, report = imported()
    assert (first.rows, first.stored_events, first.repeated, first.failed) == (7, 5, 0, 2)
    assert [(error.row, error.code) for error in report.errors] == [
        (7, "unknown_item"), (8, "invalid_event"),
    ]  # fmt: skip
    kinds = list(Event.stored.order_by("id").values_list("kind", "quantity", "value"))
    assert [kind for kind, *_ in kinds] == ["purchase"] * 3 + ["return", "purchase"]
    assert (kinds[0][1], str(kinds[0][2])) == (6, "15.3000")

    again, _ = imported()
    assert (again.stored_events, again.repeated, again.failed) == (0, 5, 2)
    assert Event.stored.count() == 5


@pytest.mark.parametrize(("days", "warnings"), [(1_095, 1), (36_500, 0)])
def test_a_log_older_than_the_shop_keeps_is_warned_of(
    api: ApiClient, tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int, warnings: int
) -> None:
    make_item("A")
    RetentionRule.objects.create(kind="events", days=days)
    (tmp_path / "log.csv").write_text("who,what,when\nann,A,2009-12-01\nann,A,2026-01-01\n")
    columns = [f"--column={column}" for column in ("shopper=who", "item=what", "occurred_at=when")]
    with schema_context("public"):
        call_command("import_events", api.tenant.schema_name, str(tmp_path / "log.csv"), *columns)
    assert capsys.readouterr().err.count("The oldest event is of 2009-12-01") == warnings


def test_an_imported_log_is_in_the_states_of_those_who_consent(api: ApiClient) -> None:
    first, second = make_item("A"), make_item("B")
    earlier = make_shopper("17850")
    make_event(earlier, second)
    imported()
    state = state_of(earlier)
    assert {(s.item, s.kind, s.count) for s in state.history} >= {
        (first.pk, "purchase", 1), (second.pk, "purchase", 2), (second.pk, "view", 1),
    }  # fmt: skip
    rebuild_states([earlier.pk])
    assert state_of(earlier) == state


@pytest.mark.parametrize("granted", [None, False])
def test_without_a_grant_a_log_is_stored_and_not_used(
    api: ApiClient, *, granted: bool | None
) -> None:
    make_item("A")
    make_item("B")
    shopper = make_shopper("17850", granted=False)
    event_import, _ = imported(granted=granted)
    assert event_import.stored_events == 5
    assert event_import.purposes == []
    assert find_state(shopper) is None


def test_a_log_without_its_columns_stores_nothing(api: ApiClient) -> None:
    with pytest.raises(DomainError, match="lacks Price"):
        imported(LOG.replace("Price", "Cost"))
    assert not EventImport.objects.exists()
    with pytest.raises(DomainError, match="guest"):
        LogFormat(columns={"item": "Code"})
