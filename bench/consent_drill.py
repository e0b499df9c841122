"""Does a withdrawal hold on every path from the next request on: `make drill-consent`.

Random histories of one shopper each: events, some with Global Privacy Control, choices of every
purpose, slates and searches. A batch of shoppers live theirs side by side, a step each in turn; in
every turn new events are counted into what was learned, and halfway a ranker is trained. After a
withdrawal the shopper's next requests are the probes, and at the end of the turn what the jobs read
is read (`bench.consent_paths`); so it is once more at the end of each history. All of it over the
HTTP API, against a real Postgres and Valkey. The baseline is the same read of events with the join
of consent left out: `rows_without_the_join`.
"""

import argparse
import random
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import environment
from bench.consent_paths import Paths, Person

SCHEMA = "drill_consent"
HOST = "drill-consent.localhost"
HISTORIES = 1_000
AT_ONCE = 100
"""Shoppers whose histories run side by side. Each has an item of their own."""

ITEMS = 24
CATEGORY = "Lamps"
MOST_STEPS = 12
TRAINED_AT_STEP = 5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--histories", type=int, default=HISTORIES)
    parser.add_argument("--seed", type=int, default=11)
    asked = parser.parse_args()
    environment.start()

    from django.test import Client
    from django_tenants.utils import schema_context

    from tenants.closing import close_tenant
    from tenants.keys import mint_key
    from tenants.models import Tenant
    from tenants.opening import open_tenant

    for left in Tenant.objects.filter(schema_name=SCHEMA):
        close_tenant(left)
    tenant = open_tenant(schema_name=SCHEMA, name="Consent drill", host=HOST)
    with schema_context(SCHEMA):
        _, key = mint_key("drill", requests_per_minute=10_000_000)
    drill = Drill(Client(), key, schema=SCHEMA, host=HOST, seed=asked.seed)
    with environment.step("A shop, and what its crowd taught the ranker"):
        drill.stock(asked.histories)
    started = time.perf_counter()
    for first in range(0, asked.histories, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, asked.histories))
        with environment.step(f"Histories {numbers[0] + 1:,} to {numbers[-1] + 1:,}"):
            drill.live(numbers)
    seconds = time.perf_counter() - started
    close_tenant(tenant)
    tally = drill.paths.tally
    environment.report(
        bench="consent",
        histories=asked.histories,
        paths=len(tally.read),
        leaked=sum(tally.leaked.values()),
        withdrawals=drill.withdrawals,
        probes=tally.probes,
        requests=drill.requests,
        events=drill.events,
        prepared_slates=tally.prepared,
        trainings=drill.trainings,
        read_when_granted=dict(sorted(tally.read.items())),
        leaked_by_path=dict(tally.leaked),
        rows_without_the_join=tally.unguarded,
        seconds=round(seconds, 1),
    )
    if tally.leaked or not all(tally.read.values()) or not tally.prepared:
        sys.exit(1)


class Drill:
    """A shop, and shoppers who live random histories in it."""

    def __init__(self, client: Any, key: str, *, schema: str, host: str, seed: int) -> None:
        self.client = client
        self.headers = {"Host": host, "Authorization": f"Bearer {key}"}
        self.schema = schema
        self.chance = random.Random(seed)  # noqa: S311  # the same in every run
        self.paths = Paths(schema, self.call, self.chance)
        self.withdrawals = self.requests = self.events = self.trainings = 0

    def call(
        self, method: str, path: str, body: Any = None, *, query: str = "", gpc: bool = False
    ) -> Any:
        import orjson

        self.requests += 1
        answer = self.client.generic(
            method,
            f"/api/v1/{path}",
            b"" if body is None else orjson.dumps(body),
            content_type="application/json",
            headers={**self.headers, **({"Sec-GPC": "1"} if gpc else {})},
            QUERY_STRING=query,
        )
        assert answer.status_code == 200, answer.content
        return answer.json()

    def stock(self, histories: int) -> None:
        """Items for all, one of their own for each shopper to come, and a crowd that has bought."""
        from django_tenants.utils import schema_context

        from catalog.search.indexing import update_index
        from recommendations.models import Placement
        from recommendations.placements import ensure_default_placements

        items = [
            {"item": f"I{n}", "title": f"Lamp number {n}", "price": 5 + n, "stock": 99}
            | {"category_path": [CATEGORY]}
            for n in range(ITEMS)
        ]
        items += [
            {"item": own_item(n), "title": f"Vase number {n}", "price": 9, "stock": 9}
            for n in range(histories)
        ]
        for first in range(0, len(items), 500):
            self.call("POST", "items", {"items": items[first : first + 500]})
        events = []
        for number in range(30):
            who = f"crowd-{number}"
            self.choose(who, {"personalization": True, "research": True})
            first = number % (ITEMS - 2)
            events += [
                {"kind": "purchase", "shopper": who, "item": f"I{first + step}"} for step in (0, 1)
            ]
        self.call("POST", "events", {"events": events})
        with schema_context(self.schema):
            update_index()
            ensure_default_placements()
            # Counts what each shopper was shown, and is never prepared: another way to a slate.
            Placement.objects.filter(code="email").update(cap_impressions=50, cap_days=7)
        self.train()

    def train(self) -> None:
        from django.utils import timezone
        from django_tenants.utils import schema_context

        from recommendations.training_run import train

        with schema_context(self.schema):
            train(timezone.now() + timedelta(minutes=1))
        self.trainings += 1

    def learn(self) -> None:
        """Count new events into what was learned, as the schedule does every few minutes."""
        from django.utils import timezone
        from django_tenants.utils import schema_context

        from recommendations.neighbor_updates import update_neighbors

        with schema_context(self.schema):
            update_neighbors(timezone.now() + timedelta(minutes=1))

    def live(self, numbers: range) -> None:
        """One random history for each number: probed after each withdrawal and at its end."""
        people = [self.begin(number) for number in numbers]
        for turn in range(1, MOST_STEPS + 1):
            active = [person for person in people if person.steps >= turn]
            if active:
                self.take_turns(active)
            if turn == TRAINED_AT_STEP:
                self.train()
        self.learn()
        for person in people:
            self.paths.ask(person)
        self.paths.look(people)

    def begin(self, number: int) -> Person:
        from profiles.models import Purpose

        steps = self.chance.randint(3, MOST_STEPS)
        person = self.meet(number, steps=steps, prefers=self.chance.random() < 0.5)
        if self.chance.random() < 0.7:  # most begin by allowing some of it
            self.let(person, {p.value: self.chance.random() < 0.7 for p in Purpose})
        return person

    def meet(self, number: int, *, steps: int, prefers: bool) -> Person:
        """A new shopper, who allows nothing yet."""
        from django_tenants.utils import schema_context

        from profiles.models import Shopper

        person = Person(f"shopper-{number}", own_item(number), steps)
        said = {"category": CATEGORY} if prefers else {}
        self.call("PUT", f"shoppers/{person.name}", {"preferences": said})
        with schema_context(self.schema):
            person.pk = Shopper.objects.get(external_id=person.name).pk
        return person

    def take_turns(self, people: list[Person]) -> None:
        """A step of each: something happens, a page is read, or a purpose chosen."""
        acts = [(person, self.chance.random()) for person in people]
        self.send([self.happens(person) for person, draw in acts if draw < 0.4])
        withdrew = []
        for person, draw in acts:
            if 0.4 <= draw < 0.65:
                self.browse(person)
            # Some choose right after: what they were answered with is not yet written down.
            if draw >= 0.55 and self.changes_mind(person):
                withdrew.append(person)
                self.paths.ask(person)
        if withdrew:
            self.paths.look(withdrew)

    def happens(self, person: Person) -> dict[str, Any]:
        """One event of this person, at times with Global Privacy Control."""
        kind = self.chance.choice(["view", "purchase", "add_to_cart", "wishlist", "search"])
        item = person.own if self.chance.random() < 0.4 else f"I{self.chance.randrange(ITEMS)}"
        return event(person, kind, item, gpc=self.chance.random() < 0.2)

    def send(self, events: list[dict[str, Any]]) -> None:
        """Let these happen, and count them into what was learned."""
        if events:
            self.call("POST", "events", {"events": events})
            self.events += len(events)
            self.learn()

    def browse(self, person: Person) -> None:
        placement = self.chance.choice(["home", "email"])
        query = f"placement={placement}&shopper={person.name}&limit=4"
        self.call("GET", "recommendations", query=query)
        if self.chance.random() < 0.6:
            self.call("GET", "search", query=f"q=lamp&shopper={person.name}&limit=3")

    def changes_mind(self, person: Person) -> bool:
        """Choose one purpose at random; whether that ends what was allowed."""
        from profiles.models import Purpose

        purpose, granted = self.chance.choice(Purpose.values), self.chance.random() < 0.5
        return self.let(person, {purpose: granted})

    def let(self, person: Person, choices: dict[str, bool]) -> bool:
        """Grant or withdraw purposes; whether any was withdrawn."""
        withdrawn = sum(person.allows(name) and not on for name, on in choices.items())
        person.allowed |= choices
        self.choose(person.name, choices)
        self.withdrawals += withdrawn
        return withdrawn > 0

    def choose(self, shopper: str, choices: dict[str, bool]) -> None:
        said = {**choices, "source": "drill", "text": "v1"}
        self.call("PUT", f"shoppers/{shopper}/consents", said)


def event(person: Person, kind: str, item: str, *, gpc: bool = False) -> dict[str, Any]:
    """What one event says; the person knows of it from then on."""
    person.events += not gpc
    about = {"query": "lamp"} if kind == "search" else {"item": item}
    return {"kind": kind, "shopper": person.name, "gpc": gpc, **about}


def own_item(number: int) -> str:
    return f"OWN-{number}"


if __name__ == "__main__":
    main()
