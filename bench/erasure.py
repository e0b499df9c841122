"""Erase a canary with a token in every store, then look for it everywhere.

Planted: a shopper whose every text holds one marker. Scanned, before and after: each row of every
table of every schema, every key and value in Valkey, every file (uploads, search index, keys and
certificates) and the log of the run. Then late events are sent and a copy of the tables from before
the erasure is restored and cleaned. Not scanned are the files of Postgres and Valkey themselves,
which keep deleted bytes until they are written over.
"""

import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import environment

SCHEMA, HOST = "canary", "canary.localhost"
MARKER = "qz7canary"
LOG = io.StringIO()
KEPT_APART = ("django_", "auth_", "tenants_audit")
"""Tables that a restore leaves: those of the code, and the trail, which refuses to be emptied."""


def main() -> None:
    environment.start()
    logging.disable(logging.NOTSET)
    logging.basicConfig(stream=LOG, level=logging.DEBUG, force=True)
    from django_tenants.utils import schema_context

    from tenants.closing import close_tenant
    from tenants.models import Tenant
    from tenants.opening import open_tenant

    for old in Tenant.objects.filter(schema_name=SCHEMA):
        close_tenant(old)
    open_tenant(schema_name=SCHEMA, name="Canary", host=HOST)
    with schema_context(SCHEMA), environment.step("A shop, and a canary in every store"):
        shoppers = plant()
    backup = copy_tables()
    before = list(found(shoppers))
    stores = run(backup, shoppers, before)
    close_tenant(Tenant.objects.get(schema_name=SCHEMA))
    environment.report(bench="erasure", **stores)


def run(backup: dict[str, bytes], shoppers: list[int], before: list[str]) -> dict[str, Any]:
    from django.test import Client
    from django_tenants.utils import schema_context

    from profiles.certificates import NotValid, verify
    from profiles.ingest import record_events
    from profiles.models import PrivacyRequest
    from profiles.replay import replay_erasures
    from profiles.requests import run_waiting
    from tenants.keys import mint_key

    with schema_context(SCHEMA):
        _, key = mint_key("drill")
    headers = {"Host": HOST, "Authorization": f"Bearer {key}"}
    with environment.step("The erasure"):
        started = time.perf_counter()
        answer = Client(headers=headers).delete(f"/api/v1/shoppers/{MARKER}")
        assert answer.status_code == 202, answer.content
        with schema_context(SCHEMA):
            run_waiting()
        seconds = time.perf_counter() - started
    after = list(found(shoppers))
    print("\n".join(f"  left: {place}" for place in after), file=sys.stderr)
    with schema_context(SCHEMA):
        request = PrivacyRequest.objects.get()
        signed = json.dumps(request.certificate).encode()
        certificate = verify(signed).certificate
        stores = len(certificate["stores"])
        named = certificate["request"] == str(request.pk)
        try:
            verify(signed.replace(b'"remaining": 0', b'"remaining": 1', 1))
            rejected = False
        except NotValid:
            rejected = True
        with environment.step("Late events, and a backup restored and cleaned"):
            late = [
                {"kind": "view", "shopper": MARKER, "item": "A"},
                {"kind": "search", "anonymous": f"{MARKER}-phone", "query": MARKER},
            ]
            outcomes = {outcome.status.value for outcome in record_events(late)}
            assert outcomes == {"erased"}, outcomes
    resurrected = len(list(found(shoppers)))
    restore_tables(backup)
    assert len(list(found(shoppers))) > len(after), "the backup brings the canary back"
    with schema_context(SCHEMA):
        replay_erasures()
    back = list(found(shoppers))
    print("\n".join(f"  back: {place}" for place in back), file=sys.stderr)
    return {
        "stores": stores,
        "found_before": len(before),
        "found_after": len(after),
        "seconds": round(seconds, 2),
        "certificate_valid": named,
        "tampered_rejected": rejected,
        "resurrected": resurrected + len(back),
    }


def plant() -> list[int]:
    """Somebody with the marker in every store, among others; the ids of the canary's rows."""
    from django.core.files.base import ContentFile
    from django.utils import timezone

    from catalog.feeds.options import FeedDefaults
    from catalog.item_batches import write_items
    from catalog.models import FeedContent, FeedImport, FeedRowError
    from catalog.review_batches import write_reviews
    from profiles.consent import record_consents
    from profiles.identity import get_shopper
    from profiles.ingest import record_events
    from profiles.models import Purpose, Shopper
    from profiles.stores import person_of
    from recommendations import feedback
    from recommendations.placements import ensure_default_placements
    from recommendations.searching import log
    from recommendations.training_run import train

    ensure_default_placements()
    letters = "ABCDEFGH"
    write_items(
        [{"item": name, "title": f"Thing {name}", "price": "9.00"} for name in letters],
        defaults=FeedDefaults(currency="EUR"),
    )
    now = timezone.now()
    events: list[dict[str, Any]] = [
        {"kind": "view", "anonymous": f"{MARKER}-phone", "item": "A", "session": f"{MARKER}-visit",
         "context": {"city": MARKER}},
        {"kind": "view", "shopper": MARKER, "anonymous": f"{MARKER}-phone", "item": "B"},
        {"kind": "search", "shopper": MARKER, "query": f"{MARKER} shoes"},
        {"kind": "support_ticket", "shopper": MARKER, "text": f"I am {MARKER}",
         "idempotency_key": f"{MARKER}-ticket"},
    ]  # fmt: skip
    for number in range(40):
        for day, place in ((30, 0), (15, 1), (3, 2)):
            events.append(
                {"kind": "purchase", "shopper": MARKER if number == 7 else f"s-{number}",
                 "item": letters[(number + place) % 8], "idempotency_key": f"{number}-{place}",
                 "occurred_at": now - timedelta(days=day)}
            )  # fmt: skip
    record_events(events)
    canary = get_shopper(MARKER)
    canary.traits, canary.preferences = {"name": MARKER}, {"color": MARKER}
    canary.save()
    all_of_it = dict.fromkeys(Purpose, True)
    record_consents([canary], all_of_it, source=f"{MARKER} banner")
    record_consents(Shopper.objects.exclude(pk=canary.pk), all_of_it, source="banner")
    train(now)
    row = {"item": "A", "rating": 5, "text": f"By {MARKER}", "author": MARKER, "shopper": MARKER}
    write_reviews([row], defaults=FeedDefaults())
    upload = FeedImport.objects.create(
        content=FeedContent.REVIEWS, format="csv", file_name="reviews.csv", status="done"
    )
    upload.file.save("reviews.csv", ContentFile(f"item,rating,shopper\nA,5,{MARKER}\n".encode()))
    FeedRowError.objects.create(feed_import=upload, row=2, code="x", message="x", raw=MARKER)
    ask("home", "buy-again")
    feedback.write_decisions()
    log.write_searches()
    ask("home")  # these wait in Valkey
    return list(person_of(canary).shoppers)


def ask(*placements: str) -> None:
    from django.test import Client
    from django_tenants.utils import schema_context

    from recommendations import feedback
    from recommendations.searching import log
    from tenants.keys import mint_key

    _, key = mint_key("storefront")
    client = Client(headers={"Host": HOST, "Authorization": f"Bearer {key}"})
    with schema_context(SCHEMA):
        for placement in placements:
            path = f"/api/v1/recommendations?placement={placement}&shopper={MARKER}"
            assert client.get(path).status_code == 200
        assert client.get(f"/api/v1/search?q={MARKER}&shopper={MARKER}").status_code == 200
    feedback.buffer._outbox.flush()  # noqa: SLF001  # a request's thread would, 50 ms later
    log.buffer._outbox.flush()  # noqa: SLF001


def found(shoppers: list[int]) -> Iterator[str]:
    """Every place where the marker or a row id of the canary is: rows, values, files, log."""
    yield from in_tables(shoppers)
    yield from in_valkey()
    for path in sorted(environment.VAR.rglob("*")):
        part = path.relative_to(environment.VAR).parts[0]
        if path.is_file() and part not in {"services", "postgres", "valkey"}:
            said = path.read_bytes() + path.name.encode()
            if MARKER.encode() in said:
                yield f"file {path.relative_to(environment.VAR)}"
    if MARKER in LOG.getvalue():
        yield "log"


def in_tables(shoppers: list[int]) -> Iterator[str]:
    from django_tenants.utils import get_public_schema_name, schema_context

    from tenants.connection import connection
    from tenants.models import Tenant

    connection.set_schema_to_public()
    tenants = list(Tenant.objects.values_list("schema_name", flat=True))
    for schema in (get_public_schema_name(), *tenants):
        with schema_context(schema), connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname, EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = c.oid"
                " AND attname = 'shopper_id') FROM pg_class c"
                " WHERE relkind = 'r' AND relnamespace = %s::regnamespace",
                [schema],
            )
            for table, linked in cursor.fetchall():
                where = "t::text LIKE %s"
                if linked and schema == SCHEMA:
                    where += f" OR shopper_id IN ({', '.join(map(str, shoppers))})"
                statement = f'SELECT count(*) FROM "{schema}"."{table}" t WHERE {where}'
                cursor.execute(statement, [f"%{MARKER}%"])
                (rows,) = cursor.fetchone() or (0,)
                yield from [f"row of {schema}.{table}"] * rows


def in_valkey() -> Iterator[str]:
    from django_redis import get_redis_connection

    valkey = get_redis_connection("default")
    readers: dict[bytes, Any] = {
        b"string": valkey.get,
        b"list": lambda key: b"".join(valkey.lrange(key, 0, -1)),
        b"hash": lambda key: repr(valkey.hgetall(key)).encode(),
        b"set": lambda key: repr(valkey.smembers(key)).encode(),
        b"zset": lambda key: repr(valkey.zrange(key, 0, -1)).encode(),
    }
    for key in valkey.scan_iter("*"):
        said = readers[valkey.type(key)](key) or b""
        if MARKER.encode() in key + said:
            yield f"Valkey {key.decode(errors='replace')}"


def tables(cursor: Any) -> list[str]:
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition",
        [SCHEMA],
    )
    return [name for (name,) in cursor.fetchall() if not name.startswith(KEPT_APART)]


def copy_tables() -> dict[str, bytes]:
    """A backup: every table of the tenant as COPY writes it."""
    from django_tenants.utils import schema_context

    from tenants.connection import connection
    from tenants.database.roles import as_owner

    copied = {}
    with as_owner(), schema_context(SCHEMA), connection.cursor() as cursor:
        for name in tables(cursor):
            with cursor.copy(f'COPY (SELECT * FROM "{SCHEMA}"."{name}") TO STDOUT') as rows:
                copied[name] = b"".join(bytes(chunk) for chunk in rows)
    return copied


def restore_tables(copied: dict[str, bytes]) -> None:
    """Put the rows of the backup in the place of those that are there."""
    from django.db import transaction
    from django_tenants.utils import schema_context

    from tenants.connection import connection
    from tenants.database.roles import as_owner

    with as_owner(), schema_context(SCHEMA), transaction.atomic(), connection.cursor() as cursor:
        named = ", ".join(f'"{SCHEMA}"."{name}"' for name in copied)
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(f"TRUNCATE {named} CASCADE")
        for name, rows in copied.items():
            with cursor.copy(f'COPY "{SCHEMA}"."{name}" FROM STDIN') as copy:
                copy.write(rows)


if __name__ == "__main__":
    main()
