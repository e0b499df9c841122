"""How fast is GET recommendations: `make bench-serving`.

Over HTTP on loopback from another process, one keep-alive connection, 20 items, a catalog of
20,000 items: history, neighbors, vectors, rules, reasons, decision logged. Each round asks every
endpoint in a random order; the measure is the ratio to a view that reads one row through the ORM.
"""

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from bench import environment
from bench.generated_shop import make

SCHEMA = "generated_20k"
HOST = "generated-20k.localhost"
ITEMS = 20_000
SHOPPERS = 3_000
LIMIT = 20
WARM_UP = 100


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1_500)
    options = parser.parse_args()
    environment.start()
    make(SCHEMA, HOST, items=ITEMS, shoppers=SHOPPERS)
    key = minted_key()
    add_rules()
    statements = most_statements(key)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1",
            "--port", str(port), "--workers", "1", "--blocking-threads", "1", "--no-ws",
            "--log-level", "warning", "bench.wsgi:application",
        ],
        cwd=environment.ROOT,
        env={**os.environ, "LOG_LEVEL": "WARNING"},
    )  # fmt: skip
    try:
        seconds, errors, statuses = measure(port, key, options.rounds)
    finally:
        server.terminate()
        server.wait(timeout=20)
    written = decisions_written()
    base = seconds["one row"]
    print(f"{'endpoint':12}{'p50 ms':>10}{'p95 ms':>10}{'p50 ratio':>12}{'p95 ratio':>12}")
    ratios = {}
    for name, taken in seconds.items():
        ratios[name] = [float(np.percentile(taken, p) / np.percentile(base, p)) for p in (50, 95)]
        print(
            f"{name:12}{np.percentile(taken, 50) * 1e3:10.2f}{np.percentile(taken, 95) * 1e3:10.2f}"
            f"{ratios[name][0]:12.2f}{ratios[name][1]:12.2f}"
        )
    worst = max(name_ratio for name, (_, name_ratio) in ratios.items() if name != "one row")
    environment.report(
        bench="serving",
        p50_ratio=round(max(r[0] for n, r in ratios.items() if n != "one row"), 2),
        p95_ratio=round(worst, 2),
        by_placement={n: [round(x, 2) for x in r] for n, r in ratios.items() if n != "one row"},
        sql_statements=statements,
        requests=sum(len(taken) for taken in seconds.values()),
        errors=errors,
        statuses=statuses,
        decisions_written=written,
    )


def minted_key() -> str:
    from tenants.keys import mint_key

    _, key = mint_key("bench", requests_per_minute=10_000_000)
    return key


def add_rules() -> None:
    from recommendations.models import MerchandisingRule

    rules: dict[str, dict[str, Any]] = {
        "boost": {"category": "Category 7"},
        "bury": {"brand": "Brand 13"},
        "exclude": {"brand": "Brand 14"},
        "pin": {"item_id": 4_711},
    }
    for kind, fields in rules.items():
        MerchandisingRule.objects.get_or_create(name=f"bench {kind}", kind=kind, defaults=fields)


def most_statements(key: str) -> int:
    """The most SQL statements that any warm request takes, whatever its limit and placement."""
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from tenants.connection import connection

    client = Client(headers={"Host": HOST, "Authorization": f"Bearer {key}"})
    most = 0
    for warm in (False, True):
        for path in [address(shopper, placement, limit)
                     for shopper in (1, 2, 3)
                     for placement in ("home", "item", "cart")
                     for limit in (1, 20, 100)]:  # fmt: skip
            with CaptureQueriesContext(connection) as queries:
                assert client.get(path).status_code == 200, path
            if warm:
                most = max(most, len(queries))
    connection.set_schema(SCHEMA)
    return most


def address(shopper: int, placement: str, limit: int = LIMIT) -> str:
    page = {"home": "", "item": f"&item=G-{shopper % ITEMS + 1}", "cart": "&items=G-5,G-77"}
    return (
        f"/api/v1/recommendations?placement={placement}&shopper=g-{shopper}&limit={limit}"
        + page[placement]
    )


def measure(port: int, key: str, rounds: int) -> tuple[dict[str, list[float]], int, dict[str, int]]:
    """Seconds of every request by endpoint, how many failed, and the statuses."""
    wait_for(port)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    headers = {"Host": HOST, "Authorization": f"Bearer {key}"}
    rng = random.Random(3)  # noqa: S311  # an order, not a secret
    seconds: dict[str, list[float]] = {"one row": [], "home": [], "item": [], "cart": []}
    statuses: dict[str, int] = {}
    errors = 0
    for number in range(rounds + WARM_UP):
        endpoints = list(seconds)
        rng.shuffle(endpoints)
        for name in endpoints:
            shopper = rng.randrange(SHOPPERS)
            path = (
                f"/bench/row/{rng.randrange(ITEMS) + 1}"
                if name == "one row"
                else address(shopper, name)
            )
            started = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            taken = time.perf_counter() - started
            statuses[str(answer.status)] = statuses.get(str(answer.status), 0) + 1
            if answer.status != 200 or (name != "one row" and not complete(body)):
                errors += 1
            if number >= WARM_UP:
                seconds[name].append(taken)
    return seconds, errors, statuses


def complete(body: bytes) -> bool:
    """A full slate, personalized, with reasons and without a fallback."""
    slate = json.loads(body)
    return (
        len(slate["items"]) == LIMIT
        and slate["personalized"]
        and not slate["fallbacks"]
        and all(item["reason"] for item in slate["items"])
    )


def wait_for(port: int) -> None:
    for _ in range(300):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("The server does not answer.")


def decisions_written() -> int:
    """Move the buffered decisions to the tables, to show that every request was logged."""
    from recommendations.feedback import write_decisions

    return write_decisions()


if __name__ == "__main__":
    main()
