"""The audit trail: chained by the database, append-only, and verified without it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django_tenants.utils import schema_context

from tenants.audit import About, Verb, record
from tenants.audit_chain import Attack, Mark, digest, seal, verify
from tenants.audit_models import AppendOnly, AuditEntry, AuditHead, AuditSeal
from tenants.connection import connection
from tenants.database.roles import as_owner
from tenants.models import Tenant
from tests.conftest import TenantPair
from tests.threads import at_once


def written(many: int) -> list[AuditEntry]:
    """That many entries, with letters, nesting and numbers that could be written in two ways."""
    return [
        record(
            Verb.CHANGED,
            About("catalog.item", str(number), "Größe “ä” 😀 \\ \n"),
            before={"b": 1.50, "a": None, "ü": [1, {"z": "12:x"}]},
            after={"stock": number, "long": "x" * 500},
        )
        for number in range(many)
    ]


@contextmanager
def triggers_off() -> Iterator[None]:
    """What a superuser, or the tables' owner, can do."""
    tables = ("tenants_auditentry", "tenants_audithead")
    with as_owner(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def tampered(*statements: str) -> None:
    with triggers_off(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def found(tenant: Tenant, anchor: Mark | None = None) -> set[tuple[Attack, int]]:
    return {(each.attack, each.number) for each in verify(tenant, anchor=anchor).findings}


def test_entries_are_numbered_and_each_holds_the_hash_of_the_one_before(tenant: Tenant) -> None:
    first, second = written(2)
    assert (second.number, second.previous_hash) == (first.number + 1, first.hash)
    assert second.at > first.at
    assert re.fullmatch("[0-9a-f]{64}", second.hash)

    verdict = verify(tenant)
    assert verdict.clean
    assert verdict.end == Mark(second.number, second.hash)
    assert verdict.entries == second.number


def test_the_author_cannot_choose_number_time_or_hash(tenant: Tenant) -> None:
    (first,) = written(1)
    chosen = AuditEntry(number=77, hash="f" * 64, previous_hash="e" * 64, verb="viewed")
    chosen.save()
    chosen.refresh_from_db()
    assert (chosen.number, chosen.previous_hash) == (first.number + 1, first.hash)
    assert verify(tenant).clean


def test_no_two_different_entries_are_hashed_alike() -> None:
    assert digest("", ["ab", "c"]) != digest("", ["a", "bc"])
    assert digest("", ["a", ""]) != digest("", ["", "a"])
    assert digest("", ["1:a"]) != digest("", ["", "1:a"])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tenants_auditentry SET actor = 'nobody'",
        "DELETE FROM tenants_auditentry",
        "TRUNCATE tenants_auditentry",
        "UPDATE tenants_audithead SET number = 0",
        "DELETE FROM tenants_audithead",
        "TRUNCATE tenants_audithead",
    ],
)
def test_the_database_refuses_to_change_what_was_written(tenant: Tenant, statement: str) -> None:
    written(1)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        as_owner(),  # a tenant's own role may not even truncate
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert verify(tenant).clean


def test_the_model_refuses_it_before_the_database_is_asked(tenant: Tenant) -> None:
    (entry,) = written(1)
    with pytest.raises(AppendOnly):
        AuditEntry.objects.update(actor="x")
    with pytest.raises(AppendOnly):
        AuditEntry.objects.filter(pk=entry.pk).delete()
    with pytest.raises(AppendOnly):
        entry.delete()


def test_an_entry_is_undone_with_what_it_records(tenant: Tenant) -> None:
    before = verify(tenant)
    with transaction.atomic():
        written(3)
        transaction.set_rollback(True)
    assert verify(tenant) == before


def test_nothing_is_recorded_in_public(db: None) -> None:
    with schema_context("public"), pytest.raises(RuntimeError, match="belongs to a tenant"):
        record(Verb.VIEWED)


def test_a_changed_entry_is_found_whichever_field_it_is(tenant: Tenant) -> None:
    entry = written(3)[1]
    for change in (
        "actor = 'nobody'",
        "verb = 'viewed'",
        "label = 'another'",
        "after = '{\"stock\": 7}'",
        "before = before - 'a'",
        "at = at - interval '1 microsecond'",
        "address = '10.0.0.1'",
        "request_id = 'other'",
        "actor_id = '9'",
    ):
        with transaction.atomic():
            tampered(f"UPDATE tenants_auditentry SET {change} WHERE number = {entry.number}")
            assert found(tenant) == {(Attack.CHANGED, entry.number)}, change
            transaction.set_rollback(True)
    assert verify(tenant).clean


def test_a_changed_entry_with_a_hash_to_match_is_found_by_the_next(tenant: Tenant) -> None:
    entries = written(3)
    entry = entries[1]
    forged = "d" * 64
    tampered(f"UPDATE tenants_auditentry SET actor = 'x', hash = '{forged}' WHERE id = {entry.pk}")
    assert (Attack.REORDERED, entries[2].number) in found(tenant)


def test_removed_moved_and_inserted_entries_are_found(tenant: Tenant) -> None:
    one, two, three = (entry.number for entry in written(3))
    with transaction.atomic():
        tampered(f"DELETE FROM tenants_auditentry WHERE number = {two}")
        assert found(tenant) == {(Attack.REMOVED, two)}
        transaction.set_rollback(True)
    with transaction.atomic():
        tampered(
            f"UPDATE tenants_auditentry SET number = -1 WHERE number = {one}",
            f"UPDATE tenants_auditentry SET number = {one} WHERE number = {two}",
            f"UPDATE tenants_auditentry SET number = {two} WHERE number = -1",
        )
        assert {Attack.CHANGED, Attack.REORDERED} <= {attack for attack, _ in found(tenant)}
        transaction.set_rollback(True)
    with transaction.atomic():
        tampered(
            f"UPDATE tenants_auditentry SET number = {three + 1} WHERE number = {three}",
            "INSERT INTO tenants_auditentry (number, at, actor_kind, actor_id, actor, verb, kind,"
            " object_id, label, before, after, address, request_id, previous_hash, hash)"
            f" SELECT {three}, at, actor_kind, actor_id, actor, 'viewed', kind, object_id, label,"
            " before, after, address, request_id, previous_hash, hash"
            f" FROM tenants_auditentry WHERE number = {two}",
        )
        assert (Attack.CHANGED, three) in found(tenant)
        transaction.set_rollback(True)


def test_a_cut_tail_is_found_by_the_head_and_without_the_head_by_a_seal(tenant: Tenant) -> None:
    written(2)
    made = seal(tenant)
    assert made is not None
    assert seal(tenant) is None, "nothing happened since"
    kept, cut = written(2)
    with transaction.atomic():
        tampered(f"DELETE FROM tenants_auditentry WHERE number >= {cut.number}")
        assert found(tenant) == {(Attack.TAIL_CUT, cut.number)}
        transaction.set_rollback(True)

    end = verify(tenant).end
    tampered(
        f"DELETE FROM tenants_auditentry WHERE number >= {made.number}",
        f"UPDATE tenants_audithead SET number = {made.number - 1}, hash = (SELECT hash FROM"
        f" tenants_auditentry WHERE number = {made.number - 1})",
    )
    assert found(tenant) == {(Attack.TAIL_CUT, made.number)}
    with schema_context("public"):
        AuditSeal.objects.all().delete()
    assert verify(tenant).clean, "who takes the seals, too, is found by an anchor only"
    assert found(tenant, end) == {(Attack.TAIL_CUT, made.number)}
    assert kept.number < end.number


def test_a_trail_written_anew_from_the_first_entry_is_found_by_a_seal(tenant: Tenant) -> None:
    written(2)
    made = seal(tenant)
    assert made is not None
    tampered("DELETE FROM tenants_auditentry", "UPDATE tenants_audithead SET number = 0, hash = ''")
    for _ in range(made.number + 1):
        record(Verb.VIEWED)
    assert found(tenant) == {(Attack.REWRITTEN, made.number)}

    # A seal that says what the forged trail says, made without the secret key.
    forged = AuditEntry.objects.get(number=made.number)
    with schema_context("public"):
        AuditSeal.objects.filter(pk=made.pk).update(hash=forged.hash)
    assert found(tenant) == {(Attack.FORGED_SEAL, made.number)}


def test_a_missing_head_is_found_and_lets_nothing_be_written(tenant: Tenant) -> None:
    written(1)
    tampered("DELETE FROM tenants_audithead")
    assert (Attack.TAIL_CUT, 0) in found(tenant)
    with pytest.raises(DatabaseError, match="lost its head"), transaction.atomic():
        written(1)


def test_eight_writers_at_once_make_one_chain(committed: TenantPair) -> None:
    before = verify(committed.ours).entries

    def work() -> None:
        for number in range(20):
            with transaction.atomic():
                written(1)
                transaction.set_rollback(number % 5 == 4)

    at_once(*[work] * 8)
    verdict = verify(committed.ours)
    assert verdict.clean
    assert verdict.entries == before + 8 * 16, "what was rolled back leaves no gap"
    assert verify(committed.theirs).clean


def check(*arguments: str, stdout: StringIO | None = None) -> None:
    with schema_context("public"):
        call_command("verify_audit", *arguments, stdout=stdout)


def test_the_command_says_where_each_trail_ends_and_fails_when_one_is_broken(
    tenants: TenantPair, tenant: Tenant
) -> None:
    entries = written(3)
    said = StringIO()
    check(stdout=said)
    end = f"{entries[-1].number}:{entries[-1].hash}"
    assert f"ours: whole, {entries[-1].number:,} entries, ends at {end}" in said.getvalue()
    assert "theirs: whole" in said.getvalue()
    check("--tenant", "ours", "--anchor", end, stdout=said)

    tampered(f"DELETE FROM tenants_auditentry WHERE number = {entries[1].number}")
    said = StringIO()
    with pytest.raises(CommandError, match=r"1 of \d+ trails are not whole"):
        check(stdout=said)
    assert f"{entries[1].number} removed" in said.getvalue()

    for arguments, message in (
        (["--tenant", "nobody"], "no tenant"),
        (["--tenant", "ours", "--anchor", "7"], "written as this command prints it"),
        (["--anchor", end], "say --tenant"),
    ):
        with pytest.raises(CommandError, match=message):
            check(*arguments)


def test_the_head_is_one_row_of_the_tenants_own(tenant: Tenant, tenants: TenantPair) -> None:
    ours = AuditHead.objects.get()
    written(2)
    with schema_context(tenants.theirs.schema_name):
        theirs = AuditHead.objects.get()
    assert AuditHead.objects.get().number == ours.number + 2
    with schema_context(tenants.theirs.schema_name):
        assert AuditHead.objects.get() == theirs
