"""Is a tampered audit trail found: `make drill-audit`.

Eight threads write a trail. Then the superuser, with all triggers off, does to it what an attacker
would: changes an entry in each of its fields, removes entries, cuts the tail with the head put to
match, and writes the whole trail anew. Each attack is undone before the next.
"""

import argparse
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import environment

if TYPE_CHECKING:
    from tenants.audit_chain import Verdict

SCHEMA = "drill_audit"
WRITERS = 8
ENTRIES = 4_000
TRIED = 60
"""Attacks of each kind, at places drawn with a seed."""

CHANGES = (
    "actor = actor || '.'",
    "actor_id = '0'",
    "verb = 'viewed'",
    "kind = 'catalog.offer'",
    "object_id = object_id || '0'",
    "label = upper(label)",
    "before = '{\"stock\": 99}'",
    "after = after || '{\"price\": 1}'",
    "at = at + interval '1 microsecond'",
    "address = '10.1.1.1'",
    "request_id = 'another'",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--tried", type=int, default=TRIED)
    asked = parser.parse_args()
    environment.start()

    from django_tenants.utils import schema_context

    from tenants.audit_chain import Attack, seal, verify
    from tenants.closing import close_tenant
    from tenants.models import Tenant
    from tenants.opening import open_tenant

    for left in Tenant.objects.filter(schema_name=SCHEMA):
        close_tenant(left)
    tenant = open_tenant(schema_name=SCHEMA, name="Audit drill", host="drill-audit.localhost")
    with environment.step(f"{WRITERS} threads write {asked.entries:,} entries"):
        write(asked.entries // 2)
        seal(tenant)
        write(asked.entries - asked.entries // 2)
    started = time.perf_counter()
    clean = verify(tenant)
    seconds = time.perf_counter() - started
    chance = random.Random(7)  # noqa: S311  # the same attacks in every run

    def after(attack: str) -> "Verdict":
        with tampered(attack):
            return verify(tenant)

    def found(verdict: "Verdict", kind: Attack, number: int) -> bool:
        return any((each.attack, each.number) == (kind, number) for each in verdict.findings)

    last = clean.end.number
    changed = removed = cut = 0
    with environment.step(f"{3 * asked.tried} attacks with the triggers off"):
        for tried in range(asked.tried):
            number = chance.randint(1, last)
            change = CHANGES[tried % len(CHANGES)]
            verdict = after(f"UPDATE tenants_auditentry SET {change} WHERE number = {number}")
            changed += found(verdict, Attack.CHANGED, number)

            first = chance.randint(1, last - 2)
            until = min(first + tried % 3, last - 1)
            verdict = after(
                f"DELETE FROM tenants_auditentry WHERE number BETWEEN {first} AND {until}"
            )
            removed += found(verdict, Attack.REMOVED, first)

            keep = chance.randint(0, last - 1)
            verdict = after(f"DELETE FROM tenants_auditentry WHERE number > {keep}")
            cut += found(verdict, Attack.TAIL_CUT, keep + 1)

        # With the head put to match: found as far as the seal reaches, by the anchor beyond it.
        sealed = asked.entries // 2
        with tampered(cut_with_head(sealed - 10)):
            sealed_cut = not verify(tenant).clean
        with tampered(cut_with_head(last - 10)):
            unsealed_cut_alone = not verify(tenant).clean
            unsealed_cut_by_anchor = not verify(tenant, anchor=clean.end).clean
    again = verify(tenant)
    with schema_context("public"):
        close_tenant(tenant)
    environment.report(
        bench="audit",
        entries=clean.entries,
        writers=WRITERS,
        changed_tried=asked.tried,
        changed_detected=changed,
        removed_tried=asked.tried,
        removed_detected=removed,
        tail_cut_tried=asked.tried,
        tail_cut_detected=cut,
        tail_and_head_cut_before_seal_detected=sealed_cut,
        tail_and_head_cut_after_seal_detected=unsealed_cut_alone,
        tail_and_head_cut_after_seal_detected_by_anchor=unsealed_cut_by_anchor,
        clean_verified=clean.clean and again.clean,
        verify_entries_per_second=round(clean.entries / seconds),
    )


def write(entries: int) -> None:
    """That many entries, by threads that all write at the same time."""
    from django_tenants.utils import schema_context

    from tenants.audit import About, Verb, record
    from tenants.connection import connection

    failed: list[BaseException] = []

    def work(writer: int, many: int) -> None:
        try:
            with schema_context(SCHEMA):
                for number in range(many):
                    record(
                        Verb.CHANGED,
                        About("catalog.item", str(number), f"Item {number} of writer {writer}"),
                        before={"stock": number},
                        after={"stock": number + 1},
                    )
        except BaseException as error:  # noqa: BLE001  # told by the main thread
            failed.append(error)
        finally:
            connection.close()

    shares = [entries // WRITERS + (place < entries % WRITERS) for place in range(WRITERS)]
    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(shares)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def cut_with_head(keep: int) -> str:
    return (
        f"DELETE FROM tenants_auditentry WHERE number > {keep}; UPDATE tenants_audithead SET"
        f" (number, hash) = (SELECT number, hash FROM tenants_auditentry WHERE number = {keep})"
    )


@contextmanager
def tampered(attack: str) -> Iterator[None]:
    """The trail after what a superuser did to it, put back on leaving."""
    with superuser() as connection:
        connection.execute(f'SET search_path TO "{SCHEMA}"')
        connection.execute("CREATE TEMP TABLE entries AS TABLE tenants_auditentry")
        connection.execute("CREATE TEMP TABLE head AS TABLE tenants_audithead")
        connection.execute("SET session_replication_role = replica")  # no trigger fires
        connection.execute(attack)
        connection.commit()
        try:
            yield
        finally:
            for table, kept in (("tenants_auditentry", "entries"), ("tenants_audithead", "head")):
                connection.execute(f"DELETE FROM {table}")
                connection.execute(f"INSERT INTO {table} SELECT * FROM {kept}")
            connection.commit()


@contextmanager
def superuser() -> Iterator[Any]:
    """A connection of the server's own superuser."""
    import psycopg

    from config.embedded import launcher

    password = (environment.VAR / "services" / "postgres-superuser-password").read_text()
    url = urlsplit(launcher.start(environment.VAR).database_url)
    with psycopg.connect(
        host=url.hostname, port=url.port, dbname=url.path[1:], user="postgres", password=password
    ) as connection:
        yield connection


if __name__ == "__main__":
    main()
