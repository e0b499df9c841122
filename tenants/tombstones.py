"""Ids that were erased: recognized by a keyed digest, so that late data cannot bring them back.

A tombstone is a row, and a line of a file outside of the database: a backup that was taken before
an erasure lacks the row, and is cleaned by the file (`manage.py replay_erasures`).
"""

import hmac
import json
import os
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from tenants.connection import connection
from tenants.keyring import keyring, privacy_folder
from tenants.tombstone_models import Tombstone

Name = tuple[str, str]
"""What kind of id, and the id: ("known", "s-7")."""

# Locked in one order: two batches that send the same erased ids must not block each other.
COUNT = """
    WITH found AS (
        SELECT id FROM tenants_tombstone WHERE digest = ANY(%s) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE tenants_tombstone t SET refused = refused + 1, refused_at = now()
    FROM found WHERE t.id = found.id RETURNING t.digest
"""

PUT_UP = "SELECT pg_advisory_xact_lock(hashtext(%s))"
HOLD_STILL = "SELECT pg_advisory_xact_lock_shared(hashtext(%s))"


def digest_of(name: Name) -> str:
    """HMAC-SHA256 of the id under the tenant's key, in hexadecimal digits."""
    kind, value = name
    said = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
    return hmac.new(keyring().tombstones, said, sha256).hexdigest()


def put_up(names: Iterable[Name], now: datetime) -> list[str]:
    """Let these ids never come back; their digests. Safe to run twice.

    The file is written, and on disk, before the caller's transaction can commit: a crash in
    between leaves a line too much, of a shopper whose erasure is going on anyway. Waits for those
    who `hold_still`.
    """
    with connection.cursor() as cursor:
        cursor.execute(PUT_UP, [_turns()])
    digests = sorted({digest_of(name) for name in names})
    # The line of each row is there, for it was written first.
    there = set(Tombstone.objects.filter(digest__in=digests).values_list("digest", flat=True))
    lines = [
        json.dumps({"digest": digest, "erased_at": now.isoformat()}) + "\n"
        for digest in digests
        if digest not in there
    ]
    if lines:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        # One write: lines of two processes do not mix.
        with os.fdopen(os.open(_file(), flags, 0o600), "wb", buffering=0) as file:
            file.write("".join(lines).encode())
            os.fsync(file.fileno())
    Tombstone.objects.bulk_create(
        [Tombstone(digest=digest, erased_at=now) for digest in digests], ignore_conflicts=True
    )
    return digests


def hold_still() -> None:
    """Let nobody be erased until the caller's transaction ends. For who writes down what names
    shoppers: asked after this, `refused` answers for what is written too."""
    with connection.cursor() as cursor:
        cursor.execute(HOLD_STILL, [_turns()])


def latest() -> int:
    """The number of the latest tombstone, 0 for none: another number, another erasure."""
    newest = Tombstone.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def refused(names: Collection[Name]) -> set[Name]:
    """Which of these ids were erased; that they were sent again is counted. One statement."""
    if not names:
        return set()
    digests = {digest_of(name): name for name in names}
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [list(digests)])
        return {digests[digest] for (digest,) in cursor.fetchall()}


def listed() -> Iterator[tuple[str, datetime]]:
    """Every digest in the file, with the moment of its erasure. A line cut off by a crash, whose
    transaction never was committed, is passed over."""
    try:
        lines = _file().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            stored = json.loads(line)
        except ValueError:
            continue
        yield stored["digest"], datetime.fromisoformat(stored["erased_at"])


def restore_rows() -> int:
    """Bring back the rows of the file's tombstones that the database lacks; how many."""
    lost = dict(listed())
    for digest in Tombstone.objects.values_list("digest", flat=True).iterator():
        lost.pop(digest, None)
    Tombstone.objects.bulk_create(
        [Tombstone(digest=digest, erased_at=at) for digest, at in lost.items()],
        ignore_conflicts=True,
        batch_size=1_000,
    )
    return len(lost)


def _turns() -> str:
    return f"{connection.schema_name}:tombstones"


def _file() -> Path:
    return privacy_folder() / "tombstones.jsonl"
