"""Whether a tenant's audit trail is whole: worked out anew, without the trigger that wrote it."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django_tenants.utils import get_public_schema_name, schema_context

from tenants.audit_models import AuditHead, AuditSeal
from tenants.connection import connection
from tenants.models import Tenant

READ_AT_ONCE = 2_000

# In the order in which they are hashed, as text. JSON is written by Postgres, whose text of a
# `jsonb` value depends on nothing but the value.
COLUMNS = """
    number::text, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
    actor_kind, actor_id, actor, verb, kind, object_id, label,
    before::text, after::text, address, request_id
"""


class Attack(StrEnum):
    """What a finding shows to have been done to the trail."""

    CHANGED = "changed"
    REMOVED = "removed"
    REORDERED = "reordered"
    TAIL_CUT = "tail cut"
    REWRITTEN = "rewritten"
    FORGED_SEAL = "forged seal"


@dataclass(frozen=True, slots=True)
class Finding:
    """One place at which the trail is not what was written."""

    attack: Attack
    number: int
    detail: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A number and the hash that the entry of this number has: what an anchor is made of."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found. `end` is the last entry that is there."""

    entries: int
    end: Mark
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        return not self.findings


@dataclass(frozen=True, slots=True)
class _Row:
    previous_hash: str
    hash: str
    content: tuple[str, ...]

    @property
    def number(self) -> int:
        return int(self.content[0])


def digest(previous_hash: str, content: Iterable[str]) -> str:
    """SHA-256, in hexadecimal, of the hash before and every field, each led by its length in
    bytes and a colon: no two different entries are written alike."""
    parts = [part.encode() for part in (previous_hash, *content)]
    return hashlib.sha256(b"".join(b"%d:%s" % (len(part), part) for part in parts)).hexdigest()


def verify(tenant: Tenant, *, anchor: Mark | None = None) -> Verdict:
    """Read the whole trail in one snapshot and compare it with itself, its head, the seals in
    `public`, and `anchor`, which somebody wrote down elsewhere.

    Found is every entry changed, removed, inserted or moved, also by a superuser with the triggers
    off. A tail cut together with the head, or a whole trail written anew, is found as far as a
    seal or the anchor reaches. Seals are signed with the secret key: who has the database alone
    cannot make one, but can delete them all, so an anchor belongs outside.
    """
    isolated = connection.in_atomic_block  # then the caller's isolation level holds
    with transaction.atomic():
        if not isolated:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with schema_context(get_public_schema_name()):
            seals = list(AuditSeal.objects.filter(tenant=tenant).order_by("number"))
        with schema_context(tenant.schema_name):
            head = AuditHead.objects.filter(pk=1).first()
            known, findings = _believed(tenant, seals)
            if anchor is not None:
                known.append(anchor)
            if head is None:
                findings.append(Finding(Attack.TAIL_CUT, 0, "The trail's head is missing."))
            else:
                known.append(Mark(head.number, head.hash))
            return _judged(_rows(), known, findings)


def seal(tenant: Tenant) -> AuditSeal | None:
    """Sign where the trail stands now; None when that is sealed already, or nothing is there."""
    with schema_context(tenant.schema_name):
        head = AuditHead.objects.get(pk=1)
    if head.number == 0:
        return None
    with schema_context(get_public_schema_name()):
        made, new = AuditSeal.objects.get_or_create(
            tenant=tenant,
            number=head.number,
            defaults={"hash": head.hash, "signature": _signature(tenant, head.number, head.hash)},
        )
    return made if new else None


def _signer() -> Signer:
    return Signer(salt="tenants.audit_chain")


def _signed_text(tenant: Tenant, number: int, hash_: str) -> str:
    return f"{tenant.schema_name}/{number}/{hash_}"


def _signature(tenant: Tenant, number: int, hash_: str) -> str:
    return _signer().signature(_signed_text(tenant, number, hash_))


def _believed(tenant: Tenant, seals: list[AuditSeal]) -> tuple[list[Mark], list[Finding]]:
    """What the seals say, as far as their signatures are good; what is said of the others."""
    known, findings = [], []
    for made in seals:
        signed = f"{_signed_text(tenant, made.number, made.hash)}:{made.signature}"
        try:
            _signer().unsign(signed)
        except BadSignature:
            findings.append(
                Finding(Attack.FORGED_SEAL, made.number, "A seal's signature is not ours.")
            )
        else:
            known.append(Mark(made.number, made.hash))
    return known, findings


def _rows() -> Iterator[_Row]:
    with connection.cursor() as plain:
        plain.execute(
            f"DECLARE trail NO SCROLL CURSOR FOR SELECT previous_hash, hash, {COLUMNS}"  # noqa: S608  # constants
            " FROM tenants_auditentry t ORDER BY t.number, t.id"  # plain "number" is the text above
        )
        while True:
            plain.execute(f"FETCH {READ_AT_ONCE} FROM trail")
            rows = plain.fetchall()
            yield from (_Row(row[0], row[1], tuple(row[2:])) for row in rows)
            if len(rows) < READ_AT_ONCE:
                plain.execute("CLOSE trail")
                return


def _judged(rows: Iterable[_Row], known: list[Mark], findings: list[Finding]) -> Verdict:
    """Every row against the one before it, and the known marks against the rows they name."""
    expected: dict[int, set[str]] = {}
    for mark in known:
        expected.setdefault(mark.number, set()).add(mark.hash)
    end, entries = Mark(0, ""), 0
    for row in rows:
        entries += 1
        findings.extend(_compared(row, end))
        if any(row.hash != hash_ for hash_ in expected.get(row.number, ())):
            findings.append(
                Finding(Attack.REWRITTEN, row.number, "It is not the entry that was sealed.")
            )
        end = Mark(row.number, row.hash)
    furthest = max(expected, default=0)
    if furthest > end.number:
        findings.append(
            Finding(
                Attack.TAIL_CUT,
                end.number + 1,
                f"Entries {end.number + 1} to {furthest} are missing from the end.",
            )
        )
    return Verdict(entries, end, tuple(findings))


def _compared(row: _Row, before: Mark) -> Iterator[Finding]:
    if digest(row.previous_hash, row.content) != row.hash:
        yield Finding(Attack.CHANGED, row.number, "Its content is not what was hashed.")
    if row.number > before.number + 1:
        missing = f"{before.number + 1} to {row.number - 1}"
        yield Finding(Attack.REMOVED, before.number + 1, f"Entries {missing} are missing.")
    elif row.number <= before.number or row.previous_hash != before.hash:
        yield Finding(Attack.REORDERED, row.number, f"It does not follow entry {before.number}.")
