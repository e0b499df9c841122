"""What a pooler between us and Postgres asks of the application, and what it rules out."""

import re
from enum import StrEnum

import psycopg
from django.core.exceptions import ImproperlyConfigured

PARAMETERS = {
    # Without the iterative scan a filtered nearest-neighbor search finds almost nothing; it ends
    # where even a thousand of the nearest are hardly ever what the filters want.
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.ef_search": "60",
    "hnsw.max_scan_tuples": "1000",
    "jit": "off",
}
"""What every connection sets. Given when connecting; a pooler lets nothing such through, so behind
one they are set with the schema."""


class Pooler(StrEnum):
    """How long a connection stays with us (PgBouncer's `pool_mode`)."""

    NONE = "none"
    SESSION = "session"
    TRANSACTION = "transaction"


OF_A_SESSION = re.compile(
    r"\s*(?:"
    r"SET\s+(?!LOCAL\b|CONSTRAINTS\b|TRANSACTION\b)"
    r"|LISTEN\b|PREPARE\b(?!\s+TRANSACTION)|LOAD\b|DISCARD\b"
    r"|DECLARE\b(?=.*\bWITH\s+HOLD\b)"
    r")",
    re.IGNORECASE | re.DOTALL,
)
TEMPORARY = re.compile(r"\s*CREATE\s+(?:LOCAL\s+)?TEMP(?:ORARY)?\b", re.IGNORECASE)
LOCK_OF_A_SESSION = re.compile(r"\bpg_(?:try_)?advisory_(?:un)?lock", re.IGNORECASE)


def refuse_what_outlives_a_transaction(statement: str, *, in_transaction: bool) -> None:
    """Behind a pooler that pools transactions it would be left to whoever comes next.

    Raises psycopg.NotSupportedError, before anything is sent. A temporary table is refused outside
    of a transaction only: within one it is its maker's to drop, or made to go on commit.
    """
    if (
        OF_A_SESSION.match(statement)
        or (not in_transaction and TEMPORARY.match(statement))
        or LOCK_OF_A_SESSION.search(statement)
    ):
        raise psycopg.NotSupportedError(
            f"{' '.join(statement.split()[:3])}: this needs a connection of its own, which a pooler"
            " in transaction mode does not give. Let workers and commands connect to Postgres"
            " itself, or through a pool of sessions."
        )


def require_honesty(pooler: Pooler, *, noticed: bool) -> None:
    """Raises ImproperlyConfigured where a pooler was noticed that DATABASE_POOLER does not name.

    What is set for a session (the schema, the role) would lead other tenants' statements, if it
    pools transactions; so nobody may be mistaken about it.
    """
    if noticed and pooler == Pooler.NONE:
        raise ImproperlyConfigured(
            "There is a pooler between here and Postgres. Say with DATABASE_POOLER whether it pools"
            " by session or by transaction."
        )
