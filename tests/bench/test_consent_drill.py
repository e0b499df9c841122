"""The drill of consent finds what it is for: a leak planted on any of its paths is noticed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from django.test import Client
from django_tenants.utils import schema_context

from bench.consent_drill import Drill, event
from profiles import activity, consent
from profiles.consent import PermittedState, find_state
from profiles.models import Event, Identity, Purpose, ShopperState
from recommendations import context, prepared
from tenants.closing import close_tenant
from tenants.keys import mint_key
from tenants.opening import open_tenant

SCHEMA, HOST = "drilled", "drilled.localhost"
HISTORIES = 20

Plant = Callable[[pytest.MonkeyPatch], None]
numbers = count(HISTORIES)


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A shop with items for all leaks, and a ranker; its key."""
    with django_db_blocker.unblock():
        tenant = open_tenant(schema_name=SCHEMA, name="Drilled", host=HOST)
        with schema_context(SCHEMA):
            _, key = mint_key("drill", requests_per_minute=10_000_000)
        Drill(Client(), key, schema=SCHEMA, host=HOST, seed=1).stock(HISTORIES + len(LEAKS) + 2)
        yield key
        close_tenant(tenant)


def every_event(_: Purpose) -> Any:
    return Event.stored.all()


def every_state(_: Purpose) -> Any:
    return ShopperState.stored.all()


def in_every_module(name: str, function: Any, *modules: str) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        for module in modules:
            patch.setattr(f"{module}.{name}", function)

    return plant


def together(*plants: Plant) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        for each in plants:
            each(patch)

    return plant


def without(text: str, module: Any, constant: str) -> Plant:
    """Leaves a condition out of a statement."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        whole = getattr(module, constant)
        assert text in whole
        patch.setattr(module, constant, whole.replace(text, ""))

    return plant


def remembered(patch: pytest.MonkeyPatch) -> None:
    """A state that was read once is believed from then on."""
    known: dict[str, PermittedState | None] = {}

    def find(kind: Identity.Kind, value: str, purpose: Purpose) -> PermittedState | None:
        known[value] = known.get(value) or find_state(kind, value, purpose)
        return known[value]

    patch.setattr(context, "find_state", find)
    patch.setattr("recommendations.api.answers.find_ready", lambda *_, **__: None)


GRANTED = " AND c.granted"
LEAKS: dict[str, tuple[Plant, set[str]]] = {
    "events are read without consent": (
        in_every_module("permitted_events", every_event, "profiles.consent"),
        {f"events for {purpose}" for purpose in Purpose},
    ),
    "states are read without consent": (
        in_every_module("permitted_states", every_state, "profiles.consent"),
        {"states for marketing"},
    ),
    "a withdrawal leaves the state, to be read without consent": (
        together(
            in_every_module("drop_states", lambda _: None, "profiles.consent"),
            in_every_module("permitted_states", every_state, "profiles.consent"),
        ),
        {"state kept", *(f"states for {purpose}" for purpose in Purpose)},
    ),
    "what is said with Global Privacy Control is read": (
        in_every_module("refused", lambda *_, **__: False, "profiles.consent"),
        {f"events for {purpose}: 4 of 3" for purpose in Purpose},
    ),
    "serving reads a state without consent": (
        together(
            in_every_module("drop_states", lambda _: None, "profiles.consent"),
            without(GRANTED, consent, "READ_STATE"),
        ),
        {"state for serving", "slate email", "search", "signals"},
    ),
    "a prepared slate is served without consent": (
        without(GRANTED, prepared, "READ"),
        {"slate home"},
    ),
    "a state is remembered": (remembered, {"slate home", "slate email", "search"}),
    "slates do not notice Global Privacy Control": (
        in_every_module("sent_with", lambda *_, **__: False, "recommendations.api.views"),
        {
            f"{what}slate {placement}"
            for what in ("", "decision of ", "ledger of ")
            for placement in ("home", "email")
        },
    ),
    "searches do not notice Global Privacy Control": (
        in_every_module("sent_with", lambda *_, **__: False, "recommendations.api.search_views"),
        {"search"},
    ),
    "slates are written down with who withdrew": (
        in_every_module("granted_since", dict.fromkeys, "recommendations.feedback"),
        {"decisions in the buffer"},
    ),
    "searches are written down with who refuses": (
        in_every_module(
            "granted_since",
            lambda shoppers, _: dict.fromkeys(shoppers, datetime(2000, 1, 1, tzinfo=UTC)),
            "recommendations.searching.log",
        ),
        {"searches in the buffer"},
    ),
    "training reads without consent": (
        in_every_module(
            "permitted_events",
            every_event,
            "recommendations.training_run",
            "recommendations.neighbor_updates",
        ),
        {"training log", "counted pairs", "neighbors served"},
    ),
    "circumstances are learned without consent": (
        in_every_module("permitted_events", every_event, "recommendations.circumstances"),
        {"circumstances"},
    ),
    "trends are learned without consent": (
        without(GRANTED, activity, "TAKERS"),
        {"trending"},
    ),
    "what was learned is not taken back": (
        in_every_module("forget_what_was_learned", lambda _: None, "profiles.consent"),
        {"counted pairs", "neighbors served"},
    ),
}  # fmt: skip


@pytest.fixture
def drill(shop: str, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drill]:
    monkeypatch.setattr("bench.consent_paths.PRIVATE_REQUESTS", 0.4)
    with django_db_blocker.unblock():
        yield Drill(Client(), shop, schema=SCHEMA, host=HOST, seed=3)


def allow_and_withdraw(drill: Drill) -> None:
    """The shortest history in which every path is open first, and then is not."""
    person = drill.meet(next(numbers), steps=0, prefers=True)
    drill.let(person, {purpose.value: True for purpose in Purpose})
    drill.send(
        [event(person, kind, item) for kind, item in (("purchase", person.own), ("view", "I1"))]
        + [event(person, "add_to_cart", "I2"), event(person, "view", "I3", gpc=True)]
    )
    for _ in range(6):  # some of them with Global Privacy Control
        drill.paths.ask(person)
        drill.paths.look([person])
    for _ in range(2):  # the second of them is the first, prepared
        drill.paths.ask_slate(person, "home", gpc=False)
        drill.paths.look([person])
    for purpose in ("marketing", "analytics", "language_model", "personalization", "research"):
        for _ in range(4):
            drill.browse(person)
        drill.let(person, {purpose: False})
        drill.paths.ask(person)
        drill.paths.look([person])
    drill.send([event(person, kind, person.own) for kind in ("view", "purchase")])
    drill.send([event(person, "view", "I4")])
    drill.paths.look([person])


def test_without_a_leak_random_histories_leak_nothing(drill: Drill) -> None:
    drill.live(range(HISTORIES))
    assert drill.paths.tally.leaked == {}
    assert drill.withdrawals > 5


def test_without_a_leak_every_path_is_open_to_who_allows_it(drill: Drill) -> None:
    allow_and_withdraw(drill)
    assert drill.paths.tally.leaked == {}
    assert [path for path, rows in drill.paths.tally.read.items() if not rows] == []
    assert drill.paths.tally.prepared


def test_there_is_a_leak_for_every_path(drill: Drill) -> None:
    allow_and_withdraw(drill)
    planted = set().union(*(paths for _, paths in LEAKS.values()))
    assert set(drill.paths.tally.read) - planted == set()


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_found(leak: str, drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, paths = LEAKS[leak]
    plant(monkeypatch)
    allow_and_withdraw(drill)
    assert paths <= set(drill.paths.tally.leaked)
