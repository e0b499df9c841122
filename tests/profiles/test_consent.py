"""What a shopper allows: kept with its history, and in force on every reader at once."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.consent import (
    consents_of,
    permitted_events,
    permitted_states,
    record_consent,
    record_consents,
)
from profiles.ingest import record_events
from profiles.models import (
    Consent,
    ConsentChange,
    EventKind,
    PersonalDataQuerySet,
    Purpose,
    Shopper,
)
from tests.conftest import ApiClient, TenantPair
from tests.make import make_event, make_item, make_shopper
from tests.profiles.states import find_state, state_of
from tests.threads import at_once

PERSONALIZATION = Purpose.PERSONALIZATION
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


def history_of(shopper: Shopper) -> list[tuple[str, bool, str]]:
    changes = ConsentChange.objects.filter(shopper=shopper).order_by("id")
    return list(changes.values_list("purpose", "granted", "source"))


def test_every_change_is_kept_with_its_source_and_moment(api: ApiClient) -> None:
    shopper = make_shopper(granted=False)
    for day, (granted, source) in enumerate([(True, "banner"), (False, "account"), (True, "app")]):
        record_consent(
            shopper, PERSONALIZATION, granted=granted, source=source, now=NOON + timedelta(days=day)
        )
    assert history_of(shopper) == [
        ("personalization", True, "banner"),
        ("personalization", False, "account"),
        ("personalization", True, "app"),
    ]
    now = Consent.objects.get(shopper=shopper)
    assert (now.granted, now.source, now.changed_at) == (True, "app", NOON + timedelta(days=2))


def test_a_choice_that_is_in_force_already_is_no_change(api: ApiClient) -> None:
    shopper = make_shopper(granted=False)
    record_consent(shopper, PERSONALIZATION, granted=False, source="banner")
    assert len(history_of(shopper)) == 1, "refusing for the first time is a choice, so it is kept"
    for _ in range(2):
        record_consent(shopper, PERSONALIZATION, granted=False, source="again")
    assert history_of(shopper) == [("personalization", False, "banner")]
    assert Consent.objects.get(shopper=shopper).source == "banner"


def test_purposes_are_granted_apart(api: ApiClient) -> None:
    item = make_item()
    shopper = make_shopper(granted=False)
    make_event(shopper, item)
    record_consents([shopper], {Purpose.ANALYTICS: True, Purpose.MARKETING: False}, source="t")
    assert consents_of(shopper) == {
        "personalization": False,
        "analytics": True,
        "marketing": False,
        "language_model": False,
        "research": False,
    }
    assert permitted_events(Purpose.ANALYTICS).count() == 1
    for purpose in (PERSONALIZATION, Purpose.MARKETING, Purpose.LANGUAGE_MODEL):
        assert permitted_events(purpose).count() == 0
        assert permitted_states(purpose).count() == 0


def test_a_withdrawal_drops_the_state_and_a_grant_makes_the_same_one_again(api: ApiClient) -> None:
    first, second = make_item(), make_item()
    shopper = make_shopper()
    for kind, item in (
        (EventKind.VIEW, first),
        (EventKind.VIEW, first),
        (EventKind.PURCHASE, second),
        (EventKind.ADD_TO_CART, first),
        (EventKind.DISMISS, second),
    ):
        make_event(shopper, item, kind)
    before = state_of(shopper)
    assert (len(before.history), len(before.cart), len(before.dismissed)) == (3, 1, 1)

    record_consent(shopper, PERSONALIZATION, granted=False, source="t")
    assert find_state(shopper) is None
    make_event(shopper, second, EventKind.VIEW)
    assert find_state(shopper) is None, "an event without consent must not bring it back"

    record_consent(shopper, PERSONALIZATION, granted=True, source="t")
    after = state_of(shopper)
    assert [s for s in after.history if (s.item, s.kind) != (second.pk, "view")] == [
        *before.history
    ]
    assert (after.cart, after.dismissed) == (before.cart, before.dismissed)
    assert len(after.history) == 4, "what came in between was stored, and counts now"


def test_the_api_records_choices_and_leaves_the_others_alone(api: ApiClient) -> None:
    answer = api.put(
        "/api/v1/shoppers/s-1/consents",
        {"personalization": True, "marketing": False, "source": "cookie banner"},
    )
    assert answer.status_code == 200
    assert answer.json()["consents"] == {
        "personalization": True, "analytics": False, "marketing": False,
        "language_model": False, "research": False,
    }  # fmt: skip
    answer = api.put("/api/v1/shoppers/s-1/consents", {"analytics": True, "source": "account"})
    assert answer.json()["consents"]["personalization"] is True
    shopper = Shopper.objects.get(external_id="s-1")
    assert history_of(shopper) == [
        ("personalization", True, "cookie banner"),
        ("marketing", False, "cookie banner"),
        ("analytics", True, "account"),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"personalization": True}, "source"),
        ({"personalization": "perhaps", "source": "t"}, "personalization"),
        ({"personalisation": True, "source": "t"}, "personalisation"),
        ({"personalization": True, "source": ""}, "source"),
        ({"personalization": True, "source": "x" * 201}, "source"),
        ({"personalization": True, "source": "a\x00b"}, "source"),
    ],
)
def test_a_bad_choice_is_refused_and_changes_nothing(
    api: ApiClient, body: dict[str, Any], field: str
) -> None:
    answer = api.put("/api/v1/shoppers/s-1/consents", body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_input"
    assert list(answer.json()["fields"]) == [field]
    assert not ConsentChange.objects.exists()


SHOPPERS = ("p-0", "p-1", "p-2")
choices = st.tuples(
    st.sampled_from(SHOPPERS), st.sampled_from(list(Purpose)), st.sampled_from([True, False])
)
happenings = st.tuples(
    st.sampled_from(SHOPPERS), st.sampled_from(["view", "purchase", "dismiss"]), st.just(None)
)
histories = st.lists(st.one_of(choices, happenings), max_size=18)


def test_whatever_happens_nothing_is_read_of_a_shopper_who_does_not_allow_it(
    api: ApiClient,
) -> None:
    item = make_item()

    @settings(max_examples=30, deadline=None)
    @given(history=histories)
    def check(history: list[tuple[str, str, bool | None]]) -> None:
        Shopper.objects.all().delete()
        shoppers = {name: make_shopper(name, granted=False) for name in SHOPPERS}
        allowed: set[tuple[str, Purpose]] = set()
        happened = dict.fromkeys(SHOPPERS, 0)
        for name, what, granted in history:
            if granted is None:
                make_event(shoppers[name], item, EventKind(what))
                happened[name] += 1
                continue
            record_consent(shoppers[name], Purpose(what), granted=granted, source="t")
            (allowed.add if granted else allowed.discard)((name, Purpose(what)))
            personalized = {n for n in SHOPPERS if (n, PERSONALIZATION) in allowed}
            for purpose in Purpose:
                granting = {n for n in SHOPPERS if (n, purpose) in allowed}
                assert owners(permitted_events(purpose)) == sorted(
                    n for n in granting for _ in range(happened[n])
                )
                assert set(owners(permitted_states(purpose))) == granting & personalized
            with_state = {n for n, shopper in shoppers.items() if find_state(shopper) is not None}
            assert with_state == personalized

    check()


def owners(rows: PersonalDataQuerySet[Any]) -> list[str]:
    return sorted(rows.values_list("shopper__external_id", flat=True))


def test_events_that_come_while_consent_is_withdrawn_leave_no_state(committed: TenantPair) -> None:
    """Folding and withdrawing take the same lock, so neither overtakes the other."""
    item = make_item("A")
    shopper = make_shopper("s-1")

    def send() -> None:
        for _ in range(8):
            record_events([{"kind": "view", "shopper": "s-1", "item": item.external_id}])

    def change_mind() -> None:
        for turn in range(9):
            record_consent(shopper, PERSONALIZATION, granted=bool(turn % 2), source="t")

    at_once(send, send, change_mind)
    assert find_state(shopper) is None

    record_consent(shopper, PERSONALIZATION, granted=True, source="t")
    (signal,) = state_of(shopper).history
    assert signal.count == 16


def test_choices_made_at_once_leave_a_history_that_fits_what_is_in_force(
    committed: TenantPair,
) -> None:
    shopper = make_shopper("s-1", granted=False)

    def choose(*, granted: bool) -> None:
        for _ in range(5):
            record_consent(shopper, PERSONALIZATION, granted=granted, source="t")

    at_once(*[lambda granted=granted: choose(granted=granted) for granted in (True, False) * 3])
    changes = [granted for _, granted, _ in history_of(shopper)]
    assert all(one != next_ for one, next_ in pairwise(changes))
    assert Consent.objects.get(shopper=shopper).granted == changes[-1]
    assert (find_state(shopper) is not None) == changes[-1]
