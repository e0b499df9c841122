"""The online state: the same whatever order events arrive in, and equal to one made anew."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.consent import consents_of, record_consent
from profiles.ingest import record_events
from profiles.models import EventKind, Purpose, Shopper, ShopperState
from profiles.state import MAX_SEARCHES, MAX_SIGNALS, State, StateEvent, rebuild_states
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.profiles.states import find_state, state_of

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)

KINDS = [kind.value for kind in EventKind if kind != EventKind.SEARCH]

# Few items and few moments, so that events meet on one item, also at one and the same moment.
told = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(1, 3), st.integers(0, 5)), min_size=1, max_size=14
)


def as_stored(state: State) -> dict[str, Any]:
    row = ShopperState()
    state.store(row)
    history = [[*entry[:2], round(entry[2], 9), *entry[3:]] for entry in row.history]
    return {
        "history": history,
        "cart": row.cart,
        "dismissed": row.dismissed,
        "searches": row.searches,
    }


@given(
    searches=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9)), max_size=20),
    shuffle=st.randoms(use_true_random=False),
)
def test_the_latest_searches_are_kept_whatever_order_they_arrive_in(
    searches: list[tuple[str, int]], shuffle: Any
) -> None:
    numbered = [
        StateEvent(number, "search", None, float(at), f" {text}  lamp")
        for number, (text, at) in enumerate(searches)
    ]
    state = State()
    for event in shuffle.sample(numbered, len(numbered)):
        state.fold(event)
        row = ShopperState()
        state.store(row)
        state = State.load(row)
    latest = {event.query[1]: event.moment for event in sorted(numbered, key=lambda e: e.moment)}
    newest_first = sorted(latest.items(), key=lambda entry: entry[1], reverse=True)
    assert as_stored(state)["searches"] == [
        [f"{text} lamp", *moment] for text, moment in newest_first[:MAX_SEARCHES]
    ]


def test_a_state_knows_what_was_searched_for_also_when_it_is_made_anew(api: ApiClient) -> None:
    shopper = make_shopper("seeker")
    for hour, query in enumerate(("Red lamp", "rug", "red  LAMP", " ", "x" * 101)):
        at = NOON + timedelta(hours=hour)
        make_event(shopper, None, EventKind.SEARCH, at=at, query=query)
    make_event(shopper, None, EventKind.SUPPORT_TICKET, text="Where is it?")
    folded = state_of(shopper)
    assert folded.searches == ("red LAMP",)
    rebuild_states([shopper.pk])
    assert state_of(shopper) == folded
    record_consent(shopper, Purpose.PERSONALIZATION, granted=False, source="tests")
    assert find_state(shopper) is None


@given(events=told, shuffle=st.randoms(use_true_random=False))
def test_the_state_does_not_depend_on_the_order_of_arrival(
    events: list[tuple[str, int, int]], shuffle: Any
) -> None:
    numbered = [
        StateEvent(number, kind, item, at * 3600.0)
        for number, (kind, item, at) in enumerate(events, start=1)
    ]
    in_order, shuffled = State(), State()
    for event in numbered:
        in_order.fold(event)
    for event in shuffle.sample(numbered, len(numbered)):
        shuffled.fold(event)
    assert as_stored(shuffled) == as_stored(in_order)


@given(events=told, split=st.integers(0, 14))
def test_a_state_stored_in_between_goes_on_the_same(
    events: list[tuple[str, int, int]], split: int
) -> None:
    numbered = [
        StateEvent(number, kind, item, float(at)) for number, (kind, item, at) in enumerate(events)
    ]
    whole, first = State(), State()
    for event in numbered:
        whole.fold(event)
    for event in numbered[:split]:
        first.fold(event)
    row = ShopperState()
    first.store(row)
    second = State.load(row)
    for event in numbered[split:]:
        second.fold(event)
    assert as_stored(second) == as_stored(whole)


def test_a_state_does_not_grow_without_bound() -> None:
    state = State()
    numbers = count(1)
    for item in range(MAX_SIGNALS + 500):
        for kind in ("view", "purchase"):
            state.fold(StateEvent(next(numbers), kind, item, float(item)))
    row = ShopperState()
    state.store(row)
    assert len(row.history) == MAX_SIGNALS
    assert len(row.cart["left"]) == MAX_SIGNALS
    newest = MAX_SIGNALS + 499
    assert {entry[0] for entry in row.history[:2]} == {newest}
    assert str(newest) in row.cart["left"]
    assert "0" not in row.cart["left"]


def test_events_that_come_late_give_the_state_of_those_that_come_in_order(api: ApiClient) -> None:
    """Over the real path: two shoppers, the same events, one in order and one shuffled."""
    for item in (1, 2, 3):
        make_item(f"state-{item}")
    numbers = count(1)

    @settings(max_examples=15, deadline=None)
    @given(events=told, shuffle=st.randoms(use_true_random=False), batch=st.integers(1, 5))
    def check(events: list[tuple[str, int, int]], shuffle: Any, batch: int) -> None:
        prompt, late = (make_shopper(f"order-{next(numbers)}") for _ in range(2))
        # Distinct moments: of two things at one moment the one that arrives later is the later.
        timed = [
            (kind, item, NOON + timedelta(hours=at, seconds=number))
            for number, (kind, item, at) in enumerate(events)
        ]
        send(prompt, sorted(timed, key=lambda event: event[2]), batch)
        send(late, shuffle.sample(timed, len(timed)), batch)

        assert state_of(late) == state_of(prompt)
        for shopper in (prompt, late):
            folded = state_of(shopper)
            rebuild_states([shopper.pk])
            assert state_of(shopper) == folded

    check()


def send(shopper: Shopper, events: list[tuple[str, int, datetime]], batch: int) -> None:
    extra: dict[str, dict[str, Any]] = {
        "dwell": {"seconds": 1.0},
        "rating": {"rating": 3.0},
        "review": {"text": "Good."},
        "support_ticket": {"text": "Help."},
    }
    told = [
        {
            "kind": kind,
            "shopper": shopper.external_id,
            "item": f"state-{item}",
            "occurred_at": at,
            **extra.get(kind, {}),
        }
        for kind, item, at in events
    ]
    for start in range(0, len(told), batch):
        record_events(told[start : start + batch])


def test_what_was_put_in_and_taken_out_at_once_is_out_also_after_rebuilding(
    api: ApiClient,
) -> None:
    make_item("A")
    shopper = make_shopper("s-1")
    batch = [
        {"kind": kind, "shopper": "s-1", "item": "A"}
        for kind in ("add_to_cart", "remove_from_cart")
    ]
    record_events(batch)
    assert state_of(shopper).cart == ()
    rebuild_states([shopper.pk])
    assert state_of(shopper).cart == ()

    record_events(batch[::-1])
    kept = state_of(shopper).cart
    assert len(kept) == 1
    rebuild_states([shopper.pk])
    assert state_of(shopper).cart == kept


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_purchase_takes_out_of_the_cart_only_what_was_put_in_before(
    api: ApiClient, hours: int
) -> None:
    item = make_item()
    shopper = make_shopper()
    make_event(shopper, item, EventKind.ADD_TO_CART, at=NOON)
    make_event(shopper, item, EventKind.PURCHASE, at=NOON + timedelta(hours=hours))
    assert len(state_of(shopper).cart) == (1 if hours < 0 else 0)


def test_rebuilding_to_a_moment_knows_nothing_that_came_after_it(api: ApiClient) -> None:
    early, late = make_item(), make_item()
    shopper = make_shopper()
    make_event(shopper, early, at=NOON)
    make_event(shopper, late, at=NOON + timedelta(days=1))
    rebuild_states([shopper.pk], until=NOON + timedelta(hours=1))
    assert [signal.item for signal in state_of(shopper).history] == [early.pk]


def test_a_shopper_without_consent_has_no_state_however_it_is_made(api: ApiClient) -> None:
    item = make_item()
    silent = make_shopper(granted=False)
    make_event(silent, item)
    assert find_state(silent) is None
    rebuild_states([silent.pk])
    assert find_state(silent) is None
    assert not consents_of(silent)[Purpose.PERSONALIZATION]
