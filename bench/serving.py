"""How fast is GET recommendations, and does the size of the catalog matter: `make bench-serving`.

Over HTTP on loopback from another process, one keep-alive connection, 20 items: history,
neighbors, vectors, rules, reasons, decision logged. Each round asks every endpoint in a random
order, and blocks of rounds of all sizes alternate; the measure is the ratio to a view that reads
one row through the ORM, of the same size in the same rounds.

The first run makes the shops, that of a million items in half an hour to an hour on two cores; they
are kept. To see that it works: `python bench/serving.py --items 1000 --rounds 10`.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from bench import environment
from bench.generated_shop import SIZES, host_of, make, name_of, schema_of
from bench.load import KeptAlive, cpu_seconds, serving

LIMIT = 20
WARM_UP = 40
BLOCK = 100
ROW = "one row"
LIVE = ("home", "item", "cart")
PREPARED = "prepared"
EVERY = (ROW, PREPARED, *LIVE)
RETURNING = 60
"""Shoppers who come back to the home page; the others are served live each time."""
PLAIN_SIZE = 100_000
"""The size that the plain ratios are of, where it is among those measured."""

Seconds = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--no-retrain", action="store_true", help="Leave the slow part out.")
    options = parser.parse_args()
    environment.start()
    from catalog.vectors import write_vectors

    sizes = sorted(options.items)
    plain = PLAIN_SIZE if PLAIN_SIZE in sizes else sizes[-1]
    keys, statements = {}, {}
    for size in sizes:
        make(size)
        write_vectors()  # as the worker does
        keys[size] = minted_key()
        add_rules(size)
        statements[size] = most_statements(size, keys[size])
    with serving() as (port, pid):
        asking = Asking(KeptAlive(port), keys)
        blocks = max(options.rounds // BLOCK, 1)
        for size in sizes:
            environment.keep_in_memory(schema_of(size))
            asking.prepare(size)
            asking.warm_up(size)
        for _ in range(blocks):
            for size in asking.rng.sample(sizes, len(sizes)):
                asking.rounds(size, min(BLOCK, options.rounds))
        spent = spending(asking, plain, pid, options.rounds)
        during = None if options.no_retrain else during_retrain(asking, plain, options.rounds)
    ratios = {size: ratios_of(asking.seconds[size]) for size in sizes}
    for size in sizes:
        print_table(size, asking.seconds[size], ratios[size])
    first, last = ratios[sizes[0]], ratios[sizes[-1]]
    environment.report(
        bench="serving",
        p50_ratio=max(ratios[plain][name][0] for name in LIVE),
        p95_ratio=max(ratios[plain][name][1] for name in LIVE),
        precomputed_p95_ratio=ratios[plain][PREPARED][1],
        by_size={name_of(size): ratios[size] for size in sizes},
        growth_p95=round(max(last[name][1] / first[name][1] for name in LIVE), 2),
        rps_per_core=spent,
        retrain_p95_over_idle=during,
        sql_statements=max(statements.values()),
        requests=sum(asking.statuses.values()),
        errors=asking.errors,
        statuses={str(status): count for status, count in asking.statuses.items()},
        decisions_written=decisions_written(sizes),
    )


class Asking:
    """Asks in rounds, in a random order, and keeps how long each answer took."""

    def __init__(self, connection: KeptAlive, keys: dict[int, str]) -> None:
        self.connection = connection
        self.keys = keys
        self.rng = random.Random(3)  # noqa: S311  # an order, not a secret
        self.seconds: dict[int, Seconds] = defaultdict(lambda: defaultdict(list))
        self.statuses: Counter[int] = Counter()
        self.errors = 0

    def warm_up(self, size: int) -> None:
        for _ in range(WARM_UP):
            for name in EVERY:
                self.ask(size, name)

    def prepare(self, size: int) -> None:
        """Serve the returning shoppers once, and write that down as the worker does."""
        from django.utils import timezone

        from recommendations.feedback import write_decisions
        from recommendations.models import PreparedSlate
        from tenants.connection import connection

        for shopper in range(RETURNING):
            self.ask(size, "home", shopper)
        time.sleep(1)  # the outbox of the server
        connection.set_schema(schema_of(size))
        write_decisions()
        # They would end while we measure.
        ready = PreparedSlate.objects.update(good_until=timezone.now() + timedelta(days=1))
        assert ready >= RETURNING, f"{ready} slates are prepared"

    def rounds(self, size: int, count: int) -> None:
        for name in EVERY:
            self.ask(size, name)  # the connection was in another shop's schema
        for _ in range(count):
            for name in self.rng.sample(EVERY, len(EVERY)):
                self.seconds[size][name].append(self.ask(size, name))

    def ask(self, size: int, name: str, shopper: int | None = None) -> float:
        """Seconds of one request; an answer that is not whole counts as an error."""
        if shopper is None:
            everybody = SIZES.get(size) or max(size // 10, 2 * RETURNING)
            returns = name == PREPARED
            shopper = self.rng.randrange(0 if returns else RETURNING,
                                         RETURNING if returns else everybody)  # fmt: skip
        path = (
            f"/bench/row/{self.rng.randrange(size) + 1}"
            if name == ROW
            else address(shopper, name, item=self.rng.randrange(size) + 1)
        )
        answer = self.connection.get(path, host=host_of(size), key=self.keys[size])
        self.statuses[answer.status] += 1
        if answer.status != 200 or (name != ROW and not complete(answer.body)):
            self.errors += 1
            print(
                f"{name_of(size)} {path}: {answer.status} {lacking(answer.body)}", file=sys.stderr
            )
        return answer.seconds


def address(shopper: int, placement: str, *, item: int, limit: int = LIMIT) -> str:
    page = {"item": f"&item=G-{item}", "cart": f"&items=G-{item},G-77"}.get(placement, "")
    placement = "home" if placement == PREPARED else placement
    return f"/api/v1/recommendations?placement={placement}&shopper=g-{shopper}&limit={limit}{page}"


def complete(body: bytes) -> bool:
    """A full slate, personalized, with reasons and without a fallback."""
    slate = json.loads(body)
    return (
        len(slate["items"]) == LIMIT
        and slate["personalized"]
        and not slate["fallbacks"]
        and all(item["reason"] for item in slate["items"])
    )


def lacking(body: bytes) -> str:
    """What is wrong with an answer that is not whole, in a line."""
    try:
        slate = json.loads(body)
        items = slate["items"]
    except (ValueError, KeyError):
        return body[:200].decode(errors="replace")
    unexplained = [item["item"] for item in items if not item["reason"]]
    return (
        f"{len(items)} items, personalized {slate['personalized']},"
        f" fallbacks {slate['fallbacks']}, without a reason {unexplained}"
    )


def minted_key() -> str:
    from tenants.keys import mint_key

    _, key = mint_key("bench", requests_per_minute=10_000_000)
    return key


def add_rules(size: int) -> None:
    from catalog.models import Item
    from recommendations.models import MerchandisingRule

    brands = sorted(set(Item.objects.order_by("pk").values_list("brand", flat=True)[:200]))
    rules: dict[str, dict[str, Any]] = {
        "boost": {"category": "Tent"},
        "bury": {"brand": brands[13]},
        "exclude": {"brand": brands[14]},
        "pin": {"item_id": size // 2 + 1},
    }
    for kind, fields in rules.items():
        MerchandisingRule.objects.get_or_create(
            name=f"bench {kind}", kind=kind, defaults={**fields, "status": "live"}
        )


def most_statements(size: int, key: str) -> int:
    """The most SQL statements that any warm request takes, whatever its limit and placement."""
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from tenants.connection import connection

    client = Client(headers={"Host": host_of(size), "Authorization": f"Bearer {key}"})
    most = 0
    for warm in (False, True):
        for path in [address(shopper, placement, item=shopper + 7, limit=limit)
                     for shopper in (1, 2, 3)
                     for placement in LIVE
                     for limit in (1, 20, 100)]:  # fmt: skip
            with CaptureQueriesContext(connection) as queries:
                assert client.get(path).status_code == 200, path
            if warm:
                most = max(most, len(queries))
    connection.set_schema(schema_of(size))
    return most


def spending(asking: Asking, size: int, web: int, rounds: int) -> dict[str, float]:
    """Requests a second that one core answers: of the web process, and of all that take part."""
    from config.embedded.launcher import status

    services = [service.pid for service in status(environment.VAR) if service.pid]
    before = cpu_seconds(web), sum(map(cpu_seconds, services))
    for number in range(rounds):
        asking.ask(size, LIVE[number % len(LIVE)])
    of_web = cpu_seconds(web) - before[0]
    of_services = sum(map(cpu_seconds, services)) - before[1]
    return {
        "web": round(rounds / of_web, 1),
        "all": round(rounds / (of_web + of_services), 1),
    }


def during_retrain(asking: Asking, size: int, rounds: int) -> float:
    """p95 while the shop is trained anew by another process, over p95 of the same rounds before."""
    from recommendations.models import RankerVersion
    from recommendations.promotion import promote
    from tenants.connection import connection

    connection.set_schema(schema_of(size))
    live = RankerVersion.objects.live().get()

    def one_round() -> list[float]:
        return [asking.ask(size, name) for name in LIVE]

    idle = [seconds for _ in range(rounds // 3) for seconds in one_round()]
    training = subprocess.Popen(
        [sys.executable, "-c", RETRAIN, schema_of(size)], cwd=environment.ROOT, env=os.environ
    )
    busy: list[float] = []
    while training.poll() is None:
        busy += one_round()
    assert training.returncode == 0, "the training failed"
    # As it was, for the next run: the new version knows no neighbors of items nobody took.
    trained = RankerVersion.objects.exclude(pk=live.pk).filter(pk__gt=live.pk)
    promote(live)
    trained.delete()
    return round(float(np.percentile(busy, 95) / np.percentile(idle, 95)), 2)


RETRAIN = """
import sys
from bench import environment
environment.start()
from tenants.connection import connection
from bench.generated_shop import train_again
from config.celery import give_way
give_way()  # as every worker does
connection.set_schema(sys.argv[1])
train_again()
"""


def ratios_of(seconds: Seconds) -> dict[str, list[float]]:
    """p50 and p95 of each endpoint over those of the bare row."""
    return {
        name: [
            round(float(np.percentile(taken, p) / np.percentile(seconds[ROW], p)), 2)
            for p in (50, 95)
        ]
        for name, taken in seconds.items()
        if name != ROW
    }


def print_table(size: int, seconds: Seconds, ratios: dict[str, list[float]]) -> None:
    print(f"{size:,} items {'p50 ms':>18}{'p95 ms':>10}{'p50 ratio':>12}{'p95 ratio':>12}")
    for name, taken in seconds.items():
        p50, p95 = np.percentile(taken, 50) * 1e3, np.percentile(taken, 95) * 1e3
        r50, r95 = ratios.get(name, (1.0, 1.0))
        print(f"  {name:20}{p50:10.2f}{p95:10.2f}{r50:12.2f}{r95:12.2f}")


def decisions_written(sizes: list[int]) -> int:
    """Move the buffered decisions to the tables, to show that every request was logged."""
    from recommendations.feedback import write_decisions
    from tenants.connection import connection

    written = 0
    for size in sizes:
        connection.set_schema(schema_of(size))
        written += write_decisions()
    return written


if __name__ == "__main__":
    main()
