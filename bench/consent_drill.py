"""Does a withdrawal hold on every path from the next request on: `make drill-consent`.

Random histories of one shopper each: events, some with Global Privacy Control, choices of every
purpose, slates and searches. After each withdrawal, and at the end, every path is read. What a path
gives of a shopper who does not allow its purpose is a leak; what it gives of one who does is
counted as well, for a path that is never open proves nothing. All of it over the HTTP API, against
a real Postgres and Valkey. The baseline is the same read of events with the join of consent left
out: `rows_without_the_join`.
"""

import argparse
import random
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import environment

SCHEMA = "drill_consent"
HOST = "drill-consent.localhost"
HISTORIES = 1_000
ITEMS = 24
MOST_STEPS = 12
OWN_KINDS = frozenset(
    {"view", "click", "wishlist", "add_to_cart", "purchase", "return", "rating", "review"}
    | {"preference", "search", "cart_item"}
)
"""Kinds of signal that are the shopper's own: a ledger that names one has read the profile."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--histories", type=int, default=HISTORIES)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--seconds", type=float, help="Stop after these, and tell how many it were."
    )
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
    drill = Drill(Client(), key, random.Random(asked.seed))  # noqa: S311  # the same in every run
    drill.stock()
    started = time.perf_counter()
    with environment.step(f"{asked.histories:,} random histories"):
        for done in range(1, asked.histories + 1):
            drill.history(f"shopper-{done}")
            if asked.seconds and time.perf_counter() - started > asked.seconds:
                break
    seconds = time.perf_counter() - started
    with schema_context(SCHEMA):
        drill.flush()
    close_tenant(tenant)
    environment.report(
        bench="consent",
        histories=done,
        paths=len(drill.read),
        leaked=sum(drill.leaked.values()),
        withdrawals=drill.withdrawals,
        probes=drill.probes,
        read_when_granted=dict(sorted(drill.read.items())),
        leaked_by_path=dict(drill.leaked),
        rows_without_the_join=drill.unguarded,
        seconds=round(seconds, 1),
    )
    if drill.leaked or not all(drill.read.values()):
        sys.exit(1)


class Drill:
    """What the histories share: a client, chance, and what each path gave."""

    def __init__(self, client: Any, key: str, chance: random.Random) -> None:
        self.client = client
        self.headers = {"Host": HOST, "Authorization": f"Bearer {key}"}
        self.chance = chance
        self.read: Counter[str] = Counter()
        self.leaked: Counter[str] = Counter()
        self.withdrawals = self.probes = self.unguarded = 0

    def call(self, method: str, path: str, body: Any = None, query: str = "") -> Any:
        import orjson

        answer = self.client.generic(
            method,
            f"/api/v1/{path}",
            b"" if body is None else orjson.dumps(body),
            content_type="application/json",
            headers=self.headers,
            QUERY_STRING=query,
        )
        assert answer.status_code == 200, answer.content
        return answer.json()

    def stock(self) -> None:
        from django_tenants.utils import schema_context

        from catalog.search.indexing import update_index
        from recommendations.models import Placement
        from recommendations.training_run import train

        items = [
            {"item": f"I{n}", "title": f"Lamp number {n}", "price": 5 + n, "stock": 99}
            for n in range(ITEMS)
        ]
        self.call("POST", "items", {"items": items})
        events = []
        for number in range(30):
            who = f"crowd-{number}"
            self.choose(who, {"personalization": True, "research": True})
            first = number % (ITEMS - 2)
            events += [
                {"kind": "purchase", "shopper": who, "item": f"I{first + step}"} for step in (0, 1)
            ]
        self.call("POST", "events", {"events": events})
        from django.utils import timezone

        with schema_context(SCHEMA):
            update_index()
            train(timezone.now() + timedelta(minutes=1))
            # Counts what each shopper was shown, which is a path of its own.
            Placement.objects.filter(code="email").update(cap_impressions=50, cap_days=7)

    def flush(self) -> None:
        from recommendations.feedback import write_decisions
        from recommendations.searching.log import write_searches

        write_decisions()
        write_searches()

    def choose(self, shopper: str, choices: dict[str, bool]) -> None:
        said = {**choices, "source": "drill", "text": "v1"}
        self.call("PUT", f"shoppers/{shopper}/consents", said)

    def slate(self, shopper: str, placement: str = "home") -> Any:
        return self.call(
            "GET", "recommendations", query=f"placement={placement}&shopper={shopper}&limit=4"
        )

    def history(self, shopper: str) -> None:
        """One random history, read after each withdrawal and at its end."""
        from profiles.models import Purpose

        allowed: dict[str, bool] = {}
        events = 0
        self.call("PUT", f"shoppers/{shopper}", {"preferences": {"category": "Lamps"}})
        if self.chance.random() < 0.7:  # most begin by allowing some of it
            allowed = {p.value: self.chance.random() < 0.7 for p in Purpose}
            self.choose(shopper, allowed)
        for _ in range(self.chance.randint(3, MOST_STEPS)):
            draw = self.chance.random()
            if draw < 0.4:
                events += self.happens(shopper)
            elif draw < 0.55:
                self.slate(shopper, self.chance.choice(["home", "email"]))
                self.call("GET", "search", query=f"q=lamp&shopper={shopper}&limit=3")
            else:
                purpose = self.chance.choice(Purpose.values)
                granted = self.chance.random() < 0.5
                withdrawn = allowed.get(purpose, False) and not granted
                allowed[purpose] = granted
                self.choose(shopper, {purpose: granted})
                if withdrawn:
                    self.withdrawals += 1
                    self.probe(shopper, allowed, events)
        self.probe(shopper, allowed, events)

    def happens(self, shopper: str) -> int:
        """One event; how many that may ever be read: none with Global Privacy Control."""
        private = self.chance.random() < 0.2
        kind = self.chance.choice(["view", "purchase", "add_to_cart", "wishlist", "search"])
        event: dict[str, Any] = {"kind": kind, "shopper": shopper, "gpc": private}
        about = f"I{self.chance.randrange(ITEMS)}"
        event |= {"query": "lamp"} if kind == "search" else {"item": about}
        self.call("POST", "events", {"events": [event]})
        return 0 if private else 1

    def note(self, path: str, rows: int, *, allowed: bool) -> None:
        (self.read if allowed else self.leaked)[path] += rows
        if not rows and not allowed:
            del self.leaked[path]
        self.read.setdefault(path, 0)

    def probe(self, name: str, allowed: dict[str, bool], events: int) -> None:
        """Read every path as its purpose does."""
        from django.utils import timezone
        from django_tenants.utils import schema_context

        from profiles.consent import find_state, permitted_events, permitted_states
        from profiles.models import Event, Identity, Purpose, Shopper
        from recommendations.circumstances import _events as circumstance_events
        from recommendations.feedback import get_decision
        from recommendations.training_run import read_numbered_log

        self.probes += 1
        personal = allowed.get("personalization", False)
        research = allowed.get("research", False)
        with schema_context(SCHEMA):
            shopper = Shopper.objects.get(external_id=name).pk
            self.unguarded += Event.stored.filter(shopper=shopper).count()
            for purpose in Purpose:
                granted = allowed.get(purpose.value, False)
                found = permitted_events(purpose).filter(shopper=shopper).count()
                self.note(f"events for {purpose}", found, allowed=granted)
                if granted and found != events:
                    self.leaked[f"events for {purpose}: {found} of {events}"] += 1
                states = permitted_states(purpose).filter(shopper=shopper).count()
                self.note(f"states for {purpose}", states, allowed=granted and personal)
            state = find_state(Identity.Kind.KNOWN, name, Purpose.PERSONALIZATION)
            self.note("state for serving", state is not None, allowed=personal)
            now = timezone.now() + timedelta(minutes=5)
            log, _ = read_numbered_log(now, shoppers=[shopper])
            self.note("training log", len(log), allowed=research)
            chosen = circumstance_events(now).filter(shopper=shopper).count()
            self.note("circumstances", chosen, allowed=research)
            prepared = self.probe_buffers(shopper, allowed)
        for placement in ("home", "email"):
            body = self.slate(name, placement)
            with schema_context(SCHEMA):
                decision = get_decision(body["decision"])
            own = sum(
                line["signal"]["kind"] in OWN_KINDS
                for item in decision.slate
                for line in item["contributions"]
            )
            self.note(f"slate {placement}", own + body["personalized"], allowed=personal)
            named = decision.shopper_id is not None
            self.note(f"decision of slate {placement}", named, allowed=personal)
            if decision.context.get("prepared"):
                self.note("prepared slate", prepared, allowed=personal)
        body = self.call("GET", "search", query=f"q=lamp&shopper={name}&limit=3")
        self.note("search", bool(body["personalized"]), allowed=personal)

    def probe_buffers(self, shopper: int, allowed: dict[str, bool]) -> int:
        """What was answered before and is only now written down; how many slates are prepared."""
        from recommendations.feedback import write_decisions
        from recommendations.models import Decision, PreparedSlate
        from recommendations.search_models import Search
        from recommendations.searching.log import write_searches

        before = Decision.objects.filter(shopper=shopper).count()
        write_decisions()
        added = Decision.objects.filter(shopper=shopper).count() - before
        self.note("decisions in the buffer", added, allowed=allowed.get("personalization", False))
        before = Search.objects.filter(shopper=shopper).count()
        write_searches()
        added = Search.objects.filter(shopper=shopper).count() - before
        self.note("searches in the buffer", added, allowed=allowed.get("analytics", False))
        return PreparedSlate.objects.filter(shopper=shopper).count()


if __name__ == "__main__":
    main()
