"""From anonymous to known: once per id, with history, sessions and consent in the right hands."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from profiles.consent import consents_of, record_consent
from profiles.identity import ShopperRef, ensure_shoppers, find_shopper, get_shopper, resolve
from profiles.ingest import OutcomeStatus, record_events
from profiles.models import (
    ConsentChange,
    Event,
    Identity,
    Purpose,
    Session,
    Shopper,
    ShopperState,
)
from tenants.errors import DomainError
from tests.conftest import ApiClient, TenantPair
from tests.make import make_item
from tests.profiles.states import find_state, state_of
from tests.threads import at_once

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
PERSONALIZATION = Purpose.PERSONALIZATION


def send(
    *, shopper: str | None = None, anonymous: str | None = None, item: str = "A", **fields: Any
) -> None:
    event = {"kind": "view", "shopper": shopper, "anonymous": anonymous, "item": item, **fields}
    (outcome,) = record_events([event])
    assert outcome.status == OutcomeStatus.STORED, outcome


def known(name: str) -> Shopper:
    return get_shopper(name)


def visitor(name: str) -> Shopper:
    shopper = find_shopper(ShopperRef(anonymous=name))
    assert shopper is not None
    return shopper


def events_of(name: str) -> int:
    return Event.stored.filter(shopper=known(name)).count()


def test_an_anonymous_history_goes_to_whoever_it_turns_out_to_be(api: ApiClient) -> None:
    make_item("A")
    send(anonymous="device", session="v-1")
    send(anonymous="device")
    before = visitor("device")
    assert before.external_id is None

    send(shopper="anna", anonymous="device", session="v-1")

    anna = known("anna")
    assert events_of("anna") == 3
    assert visitor("device") == anna, "the device's id leads to anna now"
    before.refresh_from_db()
    assert before.merged_into_id == anna.pk
    assert Session.objects.get().shopper_id == anna.pk
    send(anonymous="device")
    assert events_of("anna") == 4


def test_on_a_shared_device_the_second_person_inherits_nothing(api: ApiClient) -> None:
    make_item("A")
    send(anonymous="tablet")
    send(shopper="anna", anonymous="tablet")
    send(anonymous="tablet")
    assert events_of("anna") == 3

    send(shopper="bert", anonymous="tablet")
    assert (events_of("anna"), events_of("bert")) == (3, 1)
    assert visitor("tablet") == known("anna")
    identity = Identity.objects.get(kind="anonymous")
    assert identity.merged_at is not None


@pytest.mark.parametrize("first", ["anna", "zoe"])
@pytest.mark.parametrize("seen_before", [False, True])
def test_of_two_people_in_one_batch_the_first_gets_the_device(
    api: ApiClient, first: str, *, seen_before: bool
) -> None:
    make_item("A")
    if seen_before:
        send(anonymous="tablet")
    second = {"anna": "zoe", "zoe": "anna"}[first]
    record_events(
        [
            {"kind": "view", "anonymous": "tablet", "item": "A"},
            {"kind": "view", "shopper": first, "anonymous": "tablet", "item": "A"},
            {"kind": "view", "shopper": second, "anonymous": "tablet", "item": "A"},
        ]
    )
    assert (events_of(first), events_of(second)) == (2 + seen_before, 1)


def test_several_devices_come_together_in_one_shopper(api: ApiClient) -> None:
    make_item("A")
    for device in ("phone", "laptop"):
        send(anonymous=device, session="visit")
        send(shopper="anna", anonymous=device)
    assert events_of("anna") == 4
    assert Shopper.objects.filter(merged_into=known("anna")).count() == 2
    assert Session.objects.filter(shopper=known("anna")).count() == 1, "one name, one session"
    assert Session.objects.count() == 1


def test_joined_sessions_span_both_and_keep_their_events(api: ApiClient) -> None:
    make_item("A")
    send(anonymous="phone", session="v", occurred_at=NOON)
    send(shopper="anna", session="v", occurred_at=NOON + timedelta(hours=2))
    send(shopper="anna", anonymous="phone", occurred_at=NOON + timedelta(hours=1))
    session = Session.objects.get()
    assert (session.started_at, session.last_event_at) == (NOON, NOON + timedelta(hours=2))
    assert Event.stored.filter(session=session).count() == 2


def test_a_merge_makes_one_state_of_both_histories(api: ApiClient) -> None:
    first, second = make_item("A"), make_item("B")
    send(anonymous="phone", item="A")
    record_consent(visitor("phone"), PERSONALIZATION, granted=True, source="t")
    send(shopper="anna", item="B")
    record_consent(known("anna"), PERSONALIZATION, granted=True, source="t")
    send(shopper="anna", anonymous="phone", item="B")

    counts = {signal.item: signal.count for signal in state_of(known("anna")).history}
    assert counts == {first.pk: 1, second.pk: 2}
    assert ShopperState.stored.count() == 1


@pytest.mark.parametrize(
    ("anonymous", "chosen", "result"),
    [
        (None, None, False),
        (True, None, True),
        (False, None, False),
        (None, True, True),
        (True, False, False),
        (False, True, True),
    ],
)
def test_the_known_shoppers_choice_outranks_the_anonymous_one(
    api: ApiClient, *, anonymous: bool | None, chosen: bool | None, result: bool
) -> None:
    make_item("A")
    send(anonymous="phone")
    if anonymous is not None:
        record_consent(visitor("phone"), PERSONALIZATION, granted=anonymous, source="device")
    ensure_shoppers([ShopperRef(known="anna")])
    if chosen is not None:
        record_consent(known("anna"), PERSONALIZATION, granted=chosen, source="account")

    send(shopper="anna", anonymous="phone")
    assert consents_of(known("anna"))["personalization"] is result
    assert (find_state(known("anna")) is not None) is result
    kept = ConsentChange.objects.filter(shopper=known("anna")).count()
    assert kept == (anonymous is not None) + (chosen is not None), "no choice is forgotten"


def test_one_purpose_may_come_from_the_device_and_another_from_the_account(api: ApiClient) -> None:
    make_item("A")
    send(anonymous="phone")
    record_consent(visitor("phone"), Purpose.MARKETING, granted=True, source="device")
    record_consent(visitor("phone"), PERSONALIZATION, granted=True, source="device")
    ensure_shoppers([ShopperRef(known="anna")])
    record_consent(known("anna"), PERSONALIZATION, granted=False, source="account")
    send(shopper="anna", anonymous="phone")
    assert consents_of(known("anna")) == {
        "personalization": False, "analytics": False, "marketing": True, "language_model": False,
        "research": False,
    }  # fmt: skip


def test_a_known_and_an_anonymous_id_may_be_spelled_alike(api: ApiClient) -> None:
    make_item("A")
    send(shopper="7")
    send(anonymous="7")
    assert known("7") != visitor("7")
    assert len(resolve([ShopperRef(known="7"), ShopperRef(anonymous="7")])) == 2


def test_an_unknown_shopper_is_said_to_be_unknown(api: ApiClient) -> None:
    assert find_shopper(ShopperRef(known="nobody")) is None
    with pytest.raises(DomainError) as error:
        get_shopper("nobody")
    assert error.value.code == "unknown_shopper"


def test_shoppers_made_at_once_are_made_once(committed: TenantPair) -> None:
    refs = [ShopperRef(known=f"s-{n}", anonymous=f"a-{n}") for n in range(20)]
    refs += [ShopperRef(anonymous=f"b-{n}") for n in range(20)]
    at_once(*[lambda turn=turn: ensure_shoppers(refs[turn:] + refs[:turn]) for turn in range(6)])
    assert Shopper.objects.count() == 40
    assert Identity.objects.count() == 60


def test_merging_at_once_loses_no_event_and_does_not_stall(committed: TenantPair) -> None:
    """Batches that merge, each in an order of its own, while others write about the same people."""
    make_item("A")
    people = range(8)
    for person in people:
        send(anonymous=f"a-{person}")

    def log_in(turn: int) -> None:
        for person in (*people[turn:], *people[:turn]):
            record_events(
                [
                    {"kind": "view", "shopper": f"s-{person}", "anonymous": f"a-{person}",
                     "item": "A"},
                    {"kind": "view", "shopper": f"s-{(person + 3) % 8}", "item": "A"},
                ]
            )  # fmt: skip

    def look_around(turn: int) -> None:
        for _ in range(4):
            record_events(
                [
                    {"kind": "view", "anonymous": f"a-{person}", "item": "A"}
                    for person in (*people[turn:], *people[:turn])
                ]
            )

    at_once(
        *[lambda turn=turn: log_in(turn) for turn in (0, 3, 6)],
        *[lambda turn=turn: look_around(turn) for turn in (1, 5)],
    )
    sent = 8 + 3 * 8 * 2 + 2 * 4 * 8
    assert Event.stored.count() == sent
    assert not Event.stored.filter(shopper__external_id=None).exists(), "left with nobody"
