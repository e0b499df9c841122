"""How many events a second the API takes in, and whether any is lost: `make bench-ingest`.

Over HTTP on loopback, in batches of 500, into granian with one worker and one thread: contract,
idempotency keys, identities, sessions, events and the states of those who consent. The baseline is
psycopg's COPY of the same rows into the same table, with its keys and indexes, and nothing else.
Both are counted in CPU seconds of client library and database together, so that a busy machine and
what runs beside what change nothing; events per second per core are one over that.

Then the same client sends more events, repeats every batch that was not answered and every fifth
that was, and the server is killed with SIGKILL in between, over and over.
"""

import argparse
import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import environment
from bench.processes import WebServer, cpu_seconds, postgres_pid, serve

SCHEMA = "ingest"
HOST = "ingest.localhost"
BATCH = 500
ITEMS = 20_000
SHOPPERS = 5_000
VISITORS_AT_ONCE = 150
EVENTS_A_VISIT = 12
KINDS = ["view"] * 14 + ["click"] * 3 + ["add_to_cart", "search", "purchase"]
WARM_UP = 10
REPEATED_EVERY = 5
PATIENCE = 120

Batch = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    environment.start()
    key = make_shop()
    database = postgres_pid()
    batches = batches_of(visits(seed=1))

    web = serve()
    try:
        send_all(web, key, islice(batches, WARM_UP))
        before = counted()
        web_cpu, database_cpu = cpu_seconds(web.pid), cpu_seconds(database)
        started = time.perf_counter()
        send_all(web, key, islice(batches, options.events // BATCH))
        wall = time.perf_counter() - started
        web_cpu, database_cpu = cpu_seconds(web.pid) - web_cpu, cpu_seconds(database) - database_cpu
    finally:
        web.stop()
    events = counted() - before
    assert events == options.events // BATCH * BATCH, events
    print(
        f"API: {events / wall:,.0f} events/s of wall time; {web_cpu / events * 1e6:.0f} µs of the"
        f" web process and {database_cpu / events * 1e6:.0f} µs of Postgres an event",
        file=sys.stderr,
    )
    copy_wall, copy_client, copy_database = copied(events, database)
    print(
        f"COPY: {events / copy_wall:,.0f} events/s of wall time; {copy_client / events * 1e6:.0f}"
        f" µs of psycopg and {copy_database / events * 1e6:.0f} µs of Postgres an event",
        file=sys.stderr,
    )
    lost, doubled, kills = killed(key, options.kills)
    api, copy = web_cpu + database_cpu, copy_client + copy_database
    environment.report(
        bench="ingest",
        events_per_s_per_core=round(events / api),
        copy_events_per_s=round(events / copy),
        share_of_copy=round(copy / api, 3),
        events_per_s_wall=round(events / wall),
        copy_events_per_s_wall=round(events / copy_wall),
        share_of_copy_wall=round(copy_wall / wall, 3),
        web_cpu_us=round(web_cpu / events * 1e6, 1),
        postgres_cpu_us=round(database_cpu / events * 1e6, 1),
        copy_postgres_cpu_us=round(copy_database / events * 1e6, 1),
        events=events,
        batch=BATCH,
        kills=kills,
        lost=lost,
        doubled=doubled,
    )


def make_shop() -> str:
    """A new tenant with items and shoppers who consent, and a key to it; its schema is set."""
    from catalog.feeds.options import FeedDefaults
    from catalog.item_batches import write_items
    from profiles.consent import record_consents
    from profiles.identity import ShopperRef, ensure_shoppers
    from profiles.models import Purpose, Shopper
    from tenants.closing import close_tenant
    from tenants.connection import connection
    from tenants.keys import mint_key
    from tenants.models import Tenant
    from tenants.opening import open_tenant

    connection.set_schema_to_public()
    old = Tenant.objects.filter(schema_name=SCHEMA).first()
    if old is not None:
        close_tenant(old)
    open_tenant(schema_name=SCHEMA, name="Ingest", host=HOST)
    connection.set_schema(SCHEMA)
    defaults = FeedDefaults(currency="EUR")
    for start in range(0, ITEMS, 1_000):
        rows = [
            {"item": f"I-{number}", "title": f"Item {number}", "price": 10}
            for number in range(start, start + 1_000)
        ]
        write_items(rows, defaults=defaults)
    ensure_shoppers([ShopperRef(known=f"s-{number}") for number in range(SHOPPERS)])
    record_consents(
        Shopper.objects.all(),
        {Purpose.PERSONALIZATION: True, Purpose.RESEARCH: True},
        source="bench",
    )
    _, key = mint_key("bench", requests_per_minute=10_000_000)
    return key


def visits(*, seed: int) -> Iterator[dict[str, Any]]:
    """The events of a busy shop in the order of time: many visits at once, of known shoppers and,
    for one in ten, of new anonymous ones. Items sell by a power law."""
    rng = random.Random(seed)  # noqa: S311  # a generated shop, not a secret
    at = datetime.now(UTC) - timedelta(days=2)
    ongoing: list[dict[str, Any]] = []
    number = 0
    while True:
        number += 1
        if len(ongoing) < VISITORS_AT_ONCE or rng.random() < 1 / EVENTS_A_VISIT:
            who = (
                {"anonymous": f"device-{seed}-{number}"}
                if rng.random() < 0.1
                else {"shopper": f"s-{rng.randrange(SHOPPERS)}"}
            )
            ongoing.append({**who, "session": f"v-{seed}-{number}"})
            if len(ongoing) > VISITORS_AT_ONCE:
                ongoing.pop(rng.randrange(VISITORS_AT_ONCE))
        at += timedelta(milliseconds=rng.randrange(400))
        kind = rng.choice(KINDS)
        event = {
            "kind": kind,
            **rng.choice(ongoing),
            "occurred_at": at.isoformat(),
            "idempotency_key": f"e-{seed}-{number}",
            "context": {"page": "item", "position": number % 20},
        }
        if kind == "search":
            event["query"] = f"query {number % 1_000}"
        else:
            event["item"] = f"I-{min(int(rng.paretovariate(0.6)) * 7, ITEMS - 1)}"
        if kind == "purchase":
            event |= {"quantity": 1, "value": "10.00", "currency": "EUR"}
        yield event


def batches_of(events: Iterator[dict[str, Any]]) -> Iterator[Batch]:
    while True:
        yield list(islice(events, BATCH))


class Client:
    """One keep-alive connection, made anew when it breaks."""

    def __init__(self, key: str) -> None:
        self.headers = {
            "Host": HOST, "Authorization": f"Bearer {key}", "Content-Type": "application/json",
        }  # fmt: skip
        self.port = 0
        self.connection: http.client.HTTPConnection | None = None

    def send(self, port: int, body: bytes) -> dict[str, Any] | None:
        """The answer; None when the server did not give one."""
        try:
            if self.connection is None or port != self.port:
                self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                self.port = port
            self.connection.request("POST", "/api/v1/events", body, self.headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection = None
            return None
        assert answer.status == 200, text[:500]
        told: dict[str, Any] = json.loads(text)
        return told


def send_all(web: WebServer, key: str, batches: Iterator[Batch]) -> None:
    client = Client(key)
    for batch in batches:
        told = client.send(web.port, json.dumps({"events": batch}).encode())
        assert told is not None
        assert told["stored"] == len(batch), told["outcomes"][:3]


def counted() -> int:
    return int(rows_of("SELECT count(*) FROM profiles_event")[0][0])


def rows_of(statement: str) -> Any:
    from tenants.connection import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def copied(events: int, database: int) -> tuple[float, float, float]:
    """Seconds of wall time, of this process and of Postgres for a COPY of the newest rows.

    They are deleted first, and end up where they were.
    """
    from psycopg.types.json import Jsonb

    from tenants.connection import connection

    columns = [
        name for (name,) in rows_of(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'profiles_event'::regclass"
            " AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
    ]  # fmt: skip
    context = columns.index("context")
    rows = [
        (*row[:context], Jsonb(json.loads(row[context])), *row[context + 1 :])
        for row in rows_of(f"SELECT {', '.join(columns)} FROM profiles_event ORDER BY id")[-events:]
    ]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM profiles_event WHERE id >= %s", [rows[0][columns.index("id")]])
        cursor.execute("VACUUM ANALYZE profiles_event")
    own, theirs = time.process_time(), cpu_seconds(database)
    started = time.perf_counter()
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY profiles_event ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
    wall = time.perf_counter() - started
    return wall, time.process_time() - own, cpu_seconds(database) - theirs


def killed(key: str, kills: int) -> tuple[int, int, int]:
    """Events that an honest client lost and that were stored twice, with a server killed again and
    again while it sends; and how often it was killed."""
    running = [serve()]
    lock = threading.Lock()
    done = threading.Event()
    progress = threading.Semaphore(0)
    rng = random.Random(5)  # noqa: S311  # when to kill

    def kill_and_restart() -> None:
        for _ in range(kills):
            # A few batches are answered, then it is killed somewhere in the next ones.
            for _ in range(rng.randrange(2, 6)):
                progress.acquire()
            time.sleep(rng.uniform(0, 0.2))
            with lock:
                running[0].kill()
                running[0] = serve()
        done.set()

    before = counted()
    client = Client(key)
    killer = threading.Thread(target=kill_and_restart)
    killer.start()
    sent = 0
    try:
        for number, batch in enumerate(batches_of(visits(seed=2)), start=1):
            body = json.dumps({"events": batch}).encode()
            outcomes = answered(client, running, lock, body)
            assert not [o for o in outcomes if o["status"] == "refused"]
            sent += len(batch)
            progress.release()
            if number % REPEATED_EVERY == 0:
                again = answered(client, running, lock, body)
                assert {outcome["status"] for outcome in again} == {"repeated"}
            if done.is_set():
                break
    finally:
        killer.join()
        running[0].stop()
    stored = counted() - before
    keys = rows_of("SELECT count(*) FROM profiles_eventkey WHERE key LIKE 'e-2-%'")[0][0]
    lost, doubled = sent - keys, max(0, stored - keys)
    lost += max(0, keys - stored)
    print(f"{sent} events sent while killing {kills} times: {stored} stored", file=sys.stderr)
    return lost, doubled, kills


def answered(
    client: Client, running: Sequence[WebServer], lock: threading.Lock, body: bytes
) -> list[dict[str, str]]:
    """The outcomes of a batch, sent until it is answered."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        told = client.send(running[0].port, body)
        if told is not None:
            outcomes: list[dict[str, str]] = told["outcomes"]
            return outcomes
        with lock:  # until the server is back
            pass
    raise TimeoutError("The server does not come back.")


if __name__ == "__main__":
    main()
