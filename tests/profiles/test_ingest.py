"""Taking events in: each stored once, none hindered by another, and attributed to its slate."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles.ingest import KEYS_KEPT, OutcomeStatus, forget_keys, record_events
from profiles.models import Event, EventKey, EventKind, Session
from tests.conftest import ApiClient, TenantPair
from tests.make import make_item, make_shopper
from tests.profiles.states import state_of
from tests.threads import at_once

STORED, REPEATED, REFUSED = OutcomeStatus.STORED, OutcomeStatus.REPEATED, OutcomeStatus.REFUSED


def view(shopper: str = "s-1", item: str = "A", **fields: Any) -> dict[str, Any]:
    return {"kind": "view", "shopper": shopper, "item": item, **fields}


def statuses(*events: Any) -> list[OutcomeStatus]:
    return [outcome.status for outcome in record_events(events)]


def test_a_repeated_key_changes_nothing(api: ApiClient) -> None:
    make_item("A")
    shopper = make_shopper("s-1")
    event = view(idempotency_key="once")
    assert statuses(event) == [STORED]
    before = state_of(shopper)

    assert statuses(event, view(idempotency_key="once", item="A")) == [REPEATED, REPEATED]
    assert Event.stored.count() == 1
    assert state_of(shopper) == before

    assert statuses(view(), view()) == [STORED, STORED], "without a key each one counts"
    assert statuses(view(idempotency_key=" once ")) == [REPEATED], "spaces around it are not it"


def test_a_key_repeated_within_a_batch_is_stored_once(api: ApiClient) -> None:
    make_item("A")
    batch = [view(idempotency_key="k"), view(), view(idempotency_key="k")]
    assert statuses(*batch) == [STORED, STORED, REPEATED]
    assert Event.stored.count() == 2


def test_a_refused_event_does_not_use_up_its_key(api: ApiClient) -> None:
    early = view(item="later", idempotency_key="k")
    assert statuses(early) == [REFUSED]
    make_item("later")
    assert statuses(early) == [STORED]


def test_a_refused_event_does_not_hinder_the_others(api: ApiClient) -> None:
    make_item("A")
    batch = [
        view(),
        {"kind": "view", "shopper": "s-1"},
        view(item="unknown"),
        "an event",
        None,
        {"kind": "levitate", "shopper": "s-1", "item": "A"},
        {"kind": "view", "item": "A"},
        view(occurred_at="9999-12-31T23:59:59Z"),
        view(),
    ]
    response = api.post("/api/v1/events", {"events": batch})
    assert response.status_code == 200
    body = response.json()
    assert (body["stored"], body["repeated"], body["refused"]) == (2, 0, 7)
    outcomes = body["outcomes"]
    assert [outcome["status"] for outcome in outcomes] == ["stored", *["refused"] * 7, "stored"]
    assert [outcome.get("code") for outcome in outcomes[1:-1]] == [
        "invalid_event",
        "unknown_item",
        *["invalid_event"] * 5,
    ]
    assert outcomes[1]["fields"] == {"item": "Field required"}
    assert list(outcomes[5]["fields"]) == ["kind"]
    assert list(outcomes[7]["fields"]) == ["occurred_at"]
    assert Event.stored.count() == 2


def test_a_batch_holds_a_thousand_events_and_not_one_more(api: ApiClient) -> None:
    make_item("A")
    batch = [view(f"s-{number % 50}") for number in range(1_001)]
    refused = api.post("/api/v1/events", {"events": batch})
    assert refused.status_code == 400
    assert refused.json()["code"] == "invalid_input"
    assert Event.stored.count() == 0

    response = api.post("/api/v1/events", {"events": batch[:1_000]})
    assert response.status_code == 200
    assert response.json()["stored"] == Event.stored.count() == 1_000
    assert api.post("/api/v1/events", {"events": []}).status_code == 400


def test_the_number_of_statements_does_not_grow_with_the_batch(api: ApiClient) -> None:
    make_item("A")
    counts = []
    for size in (2, 200):
        events = [view(f"s-{n % 7}", session=f"v-{n % 9}") for n in range(size)]
        record_events(events)  # makes the shoppers
        with CaptureQueriesContext(connection) as queries:
            record_events(events)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 18, counts


def test_what_an_event_says_is_kept(api: ApiClient) -> None:
    item = make_item("A")
    decision = uuid4()
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    record_events(
        [
            {
                "kind": "purchase",
                "shopper": "s-1",
                "item": "A",
                "session": "v-1",
                "quantity": 3,
                "value": "29.97",
                "currency": "EUR",
                "occurred_at": "2026-03-04T07:06:07+02:00",
                "decision": str(decision),
                "context": {"page": "home", "position": 2, "mobile": True, "ratio": 0.5, "x": None},
            }
        ]
    )
    event = Event.stored.get()
    assert (event.kind, event.item_id, event.quantity) == ("purchase", item.pk, 3)
    assert (str(event.value), event.currency) == ("29.9700", "EUR")
    assert event.occurred_at == at
    assert event.decision_id == decision
    assert event.context == {
        "page": "home", "position": 2, "mobile": True, "ratio": 0.5, "x": None
    }  # fmt: skip
    assert event.session is not None
    assert event.session.external_id == "v-1"


def test_every_kind_of_event_has_a_contract(api: ApiClient) -> None:
    make_item("A")
    extra: dict[str, dict[str, Any]] = {
        "search": {"query": "warm socks"},
        "dwell": {"item": "A", "seconds": 3.5},
        "rating": {"item": "A", "rating": 4.5},
        "review": {"item": "A", "text": "Warm and light."},
        "support_ticket": {"text": "Where is it?"},
    }
    batch = [
        {"kind": kind, "anonymous": "a-1", **extra.get(kind, {"item": "A"})} for kind in EventKind
    ]
    assert [outcome.fields for outcome in record_events(batch)] == [None] * len(EventKind)
    assert set(Event.stored.values_list("kind", flat=True)) == set(EventKind)


def test_sessions_span_their_events_whatever_their_order(api: ApiClient) -> None:
    make_item("A")
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)
    for minutes in (10, 0, 30, 20):
        at = (noon + timedelta(minutes=minutes)).isoformat()
        assert statuses(view(session="v", occurred_at=at)) == [STORED]
    assert statuses(view("s-2", session="v", occurred_at=noon.isoformat())) == [STORED]
    ours, other = Session.objects.order_by("id")
    assert (ours.started_at, ours.last_event_at) == (noon, noon + timedelta(minutes=30))
    assert other.shopper_id != ours.shopper_id, "two shoppers' sessions may have one name"


def test_old_keys_are_forgotten_and_young_ones_kept(api: ApiClient) -> None:
    make_item("A")
    now = timezone.now()
    record_events([view(idempotency_key="old")], now=now - KEYS_KEPT - timedelta(hours=1))
    record_events([view(idempotency_key="young")], now=now)
    assert forget_keys(now) == 1
    assert list(EventKey.objects.values_list("key", flat=True)) == ["young"]
    assert forget_keys(now) == 0


@pytest.mark.parametrize("writers", [2, 6])
def test_the_same_batch_sent_twice_at_once_is_stored_once(
    committed: TenantPair, writers: int
) -> None:
    for number in range(5):
        make_item(f"I-{number}")
    batch = [
        {
            "kind": "purchase",
            "shopper": f"s-{number % 4}",
            "anonymous": f"a-{number % 4}",
            "item": f"I-{number % 5}",
            "session": f"v-{number % 3}",
            "idempotency_key": f"k-{number}",
        }
        for number in range(40)
    ]
    # Each writer's batch in an order of its own: locks must still be taken in one order.
    orders = [batch[turn:] + batch[:turn] for turn in range(0, 7 * writers, 7)]
    outcomes = at_once(*(lambda order=order: record_events(order) for order in orders))

    counted = [outcome.status for told in outcomes for outcome in told]
    assert counted.count(STORED) == len(batch)
    assert counted.count(REPEATED) == len(batch) * (writers - 1)
    assert Event.stored.count() == len(batch)


def test_writers_of_one_shopper_do_not_lose_each_others_events(committed: TenantPair) -> None:
    make_item("A")
    shopper = make_shopper("s-1")

    def send() -> None:
        for _ in range(5):
            record_events([view()])

    at_once(*[send] * 6)
    (signal,) = state_of(shopper).history
    assert signal.count == 30
