"""What each path gives of a shopper now: the probes of the consent drill.

A path is one way by which what a shopper did reaches somebody: an answer of the API, a query of
a job, a row that is about to be written, what was learned. What it gives of somebody who does not
allow its purpose is a leak; what it gives of one who does is counted as well, for a path that is
never open proves nothing.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

OWN_KINDS = frozenset(
    {"view", "click", "wishlist", "add_to_cart", "purchase", "return", "rating", "review"}
    | {"preference", "search", "cart_item"}
)
"""Kinds of signal that are the shopper's own: a ledger that names one has read the profile."""

PRIVATE_REQUESTS = 0.15
"""Of the requests that probe, how many are sent with Global Privacy Control."""

ALL_ANSWERS = ("home", "email", "search", "signals")

Call = Callable[..., Any]


@dataclass(slots=True)
class Person:
    """A shopper of the drill, and what the drill knows of them.

    `own` is an item that nobody else has to do with: what was learned of it is learned of them.
    `events` are how many may ever be read: none of those sent with Global Privacy Control.
    """

    name: str
    own: str
    steps: int
    pk: int = 0
    allowed: dict[str, bool] = field(default_factory=dict)
    events: int = 0

    def allows(self, purpose: str) -> bool:
        return self.allowed.get(purpose, False)


@dataclass(slots=True)
class Tally:
    """What each path gave: of those who allow its purpose, and of those who do not.

    `prepared` are the slates that were served again as they had been prepared; `unguarded` is what
    the read of events gives with the join of consent left out.
    """

    read: Counter[str] = field(default_factory=Counter)
    leaked: Counter[str] = field(default_factory=Counter)
    probes: int = 0
    prepared: int = 0
    unguarded: int = 0

    def note(self, path: str, rows: int, *, allowed: bool) -> None:
        self.read.setdefault(path, 0)
        if rows:
            (self.read if allowed else self.leaked)[path] += rows


@dataclass(frozen=True, slots=True)
class Answered:
    """A slate that a probe was answered with. `personal`: whether it may be of the shopper."""

    person: Person
    path: str
    decision: str
    personal: bool


class Paths:
    """Reads every path, as its purpose does."""

    def __init__(self, schema: str, call: Call, chance: random.Random) -> None:
        self.schema = schema
        self.call = call
        self.chance = chance
        self.tally = Tally()
        self.answered: list[Answered] = []

    def ask(self, person: Person) -> None:
        """Read what the API answers, in any order: each path is the next request at times."""
        self.tally.probes += 1
        for path in self.chance.sample(ALL_ANSWERS, len(ALL_ANSWERS)):
            gpc = self.chance.random() < PRIVATE_REQUESTS
            if path == "signals":
                self._ask_signals(person)
            elif path == "search":
                self._ask_search(person, gpc=gpc)
            else:
                self.ask_slate(person, path, gpc=gpc)

    def ask_slate(self, person: Person, placement: str, *, gpc: bool) -> None:
        query = f"placement={placement}&shopper={person.name}&limit=4"
        body = self.call("GET", "recommendations", query=query, gpc=gpc)
        cited = sum(
            signal["kind"] in OWN_KINDS
            for item in body["items"]
            if item["reason"]
            for signal in item["reason"]["cited"]
        )
        personal = person.allows("personalization") and not gpc
        self.tally.note(f"slate {placement}", cited + body["personalized"], allowed=personal)
        self.answered.append(Answered(person, f"slate {placement}", body["decision"], personal))

    def _ask_search(self, person: Person, *, gpc: bool) -> None:
        body = self.call("GET", "search", query=f"q=lamp&shopper={person.name}&limit=3", gpc=gpc)
        personal = person.allows("personalization") and not gpc
        self.tally.note("search", bool(body["personalized"]), allowed=personal)

    def _ask_signals(self, person: Person) -> None:
        told = self.call("GET", f"shoppers/{person.name}/signals")["signals"]
        self.tally.note("signals", len(told), allowed=person.allows("personalization"))

    def look(self, people: Sequence[Person]) -> None:
        """Read what jobs read of these people and what was learned, and what became of the slates
        that they were answered with."""
        from django_tenants.utils import schema_context

        with schema_context(self.schema):
            self._look_at_events(people)
            self._look_at_states(people)
            self._look_at_what_learns(people)
            self._look_at_what_was_learned(people)
            self._look_at_buffers(people)
            self._look_at_decisions()

    def _look_at_events(self, people: Sequence[Person]) -> None:
        from profiles.consent import permitted_events
        from profiles.models import Event, Purpose

        self.tally.unguarded += Event.stored.filter(shopper__in=_ids(people)).count()
        for purpose in Purpose:
            found = by_shopper(permitted_events(purpose), people)
            for person in people:
                path, rows = f"events for {purpose}", found[person.pk]
                self.tally.note(path, rows, allowed=person.allows(purpose))
                if person.allows(purpose) and rows != person.events:
                    self.tally.leaked[f"{path}: {rows} of {person.events}"] += 1

    def _look_at_states(self, people: Sequence[Person]) -> None:
        from profiles.consent import find_state, permitted_states
        from profiles.models import Identity, Purpose, ShopperState

        kept = by_shopper(ShopperState.stored.all(), people)
        for purpose in Purpose:
            found = by_shopper(permitted_states(purpose), people)
            for person in people:
                allowed = person.allows(purpose) and person.allows("personalization")
                self.tally.note(f"states for {purpose}", found[person.pk], allowed=allowed)
        for person in people:
            state = find_state(Identity.Kind.KNOWN, person.name, Purpose.PERSONALIZATION)
            allowed = person.allows("personalization")
            self.tally.note("state kept", kept[person.pk], allowed=allowed)
            self.tally.note("state for serving", state is not None, allowed=allowed)

    def _look_at_what_learns(self, people: Sequence[Person]) -> None:
        from django.utils import timezone

        from profiles.activity import takers_lately
        from recommendations.circumstances import _events as circumstance_events
        from recommendations.scoring import KIND_WEIGHTS
        from recommendations.training_run import read_numbered_log
        from recommendations.trending import HALF_LIFE, WINDOW

        now = timezone.now() + timedelta(minutes=5)
        log, _ = read_numbered_log(now, shoppers=_ids(people))
        trained = Counter(log.shopper_ids[log.shopper].tolist())
        chosen = by_shopper(circumstance_events(now), people)
        taken = {
            each.item: each.shoppers
            for each in takers_lately(now, window=WINDOW, half_life=HALF_LIFE, weights=KIND_WEIGHTS)
        }
        own = own_items(people)
        for person in people:
            allowed = person.allows("research")
            self.tally.note("training log", trained[person.pk], allowed=allowed)
            self.tally.note("circumstances", chosen[person.pk], allowed=allowed)
            self.tally.note("trending", taken.get(own[person.own], 0), allowed=allowed)

    def _look_at_what_was_learned(self, people: Sequence[Person]) -> None:
        import numpy as np

        from recommendations.models import ItemNeighbors, ItemPairs, RankerVersion
        from recommendations.pair_counts import read_counts, read_items
        from recommendations.training.increments import merged

        version = RankerVersion.objects.live().get()
        items = own_items(people)
        own = np.array([items[person.own] for person in people], dtype=np.int64)
        counts = merged(*read_counts(version, own, read_items(version).ids))
        pairs = Counter(dict(zip(own.tolist(), np.diff(counts.indptr).tolist(), strict=True)))
        others = ItemPairs.objects.exclude(ranker=version).filter(item__in=own.tolist())
        pairs.update(row.item_id for row in others if row.others)
        neighbors: Counter[int] = Counter()
        for item, ids in ItemNeighbors.objects.values_list("item_id", "neighbor_ids"):
            neighbors[item] += len(ids)
            neighbors.update(map(int, ids))
        for person, item in zip(people, own.tolist(), strict=True):
            allowed = person.allows("research")
            self.tally.note("counted pairs", pairs[item], allowed=allowed)
            self.tally.note("neighbors served", neighbors[item], allowed=allowed)

    def _look_at_buffers(self, people: Sequence[Person]) -> None:
        """What was answered before and is only now written down."""
        from recommendations.feedback import write_decisions
        from recommendations.models import Decision
        from recommendations.search_models import Search
        from recommendations.searching.log import write_searches

        for path, model, write, purpose in (
            ("decisions", Decision, write_decisions, "personalization"),
            ("searches", Search, write_searches, "analytics"),
        ):
            before = by_shopper(model.objects.all(), people)
            write()
            after = by_shopper(model.objects.all(), people)
            for person in people:
                added = after[person.pk] - before[person.pk]
                self.tally.note(f"{path} in the buffer", added, allowed=person.allows(purpose))

    def _look_at_decisions(self) -> None:
        """The ledgers of the slates that answered probes."""
        from recommendations.models import Decision

        decisions = Decision.objects.in_bulk([each.decision for each in self.answered])
        by_id = {str(pk): decision for pk, decision in decisions.items()}
        for each in self.answered:
            decision = by_id[each.decision]
            own = sum(
                line["signal"]["kind"] in OWN_KINDS
                for item in decision.slate
                for line in item["contributions"]
            )
            self.tally.note(f"ledger of {each.path}", own, allowed=each.personal)
            named = decision.shopper_id is not None
            self.tally.note(f"decision of {each.path}", named, allowed=each.personal)
            self.tally.prepared += bool(decision.context.get("prepared"))
        self.answered.clear()


def by_shopper(rows: Any, people: Sequence[Person]) -> Counter[int]:
    """How many of these rows are about each of the people. One query."""
    from django.db.models import Count

    counted = rows.filter(shopper__in=_ids(people)).order_by().values_list("shopper_id")
    return Counter(dict(counted.annotate(rows=Count("*"))))


def own_items(people: Sequence[Person]) -> dict[str, int]:
    """The ids of the items that are these people's own. One query."""
    from catalog.models import Item

    named = [person.own for person in people]
    return dict(Item.objects.filter(external_id__in=named).values_list("external_id", "pk"))


def _ids(people: Collection[Person]) -> list[int]:
    return [person.pk for person in people]
