"""Retention: what is kept for how long, and removing each night what is older.

An app registers what it keeps when it is ready (`register_kept`). The audit trail is no such kind:
it is kept for good.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction

from profiles.retention_models import RetentionRule, RetentionRun
from tenants.audit import Verb, record

logger = logging.getLogger(__name__)

RUNS_KEPT = timedelta(days=3 * 365)
"""Of what the nights removed; the audit trail has it for good."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed: rows, those of dropped partitions included, and these tables by name.
    `by_policy` are those of the rows that a signal policy keeps for a shorter time; `failure` is
    what could not be removed, and why."""

    rows: int = 0
    partitions: tuple[str, ...] = ()
    by_policy: Mapping[str, int] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A kind of data with an age. `remove` deletes what is older than its first argument, now being
    the second, and may run twice; it commits as it goes, so what is interrupted is gone on with in
    the next night."""

    kind: str
    holds: str
    days: int
    remove: Callable[[datetime, datetime], Removed]


_kept: dict[str, Kept] = {}


def register_kept(*kinds: Kept) -> None:
    """Add an app's kinds of data."""
    for kept in kinds:
        _kept[kept.kind] = kept


def all_kept() -> list[Kept]:
    return [*_kept.values()]


def kept_days() -> dict[str, int]:
    """By kind, the days in force: those of the tenant's rule, or the default. One query."""
    rules = dict(RetentionRule.objects.values_list("kind", "days"))
    return {kept.kind: rules.get(kept.kind, kept.days) for kept in all_kept()}


def apply_retention(now: datetime) -> list[RetentionRun]:
    """Remove what is older than its days, kind by kind; what was removed of each.

    One that fails hinders no other: its run says why, and the next night tries again.
    """
    RetentionRun.objects.filter(at__lt=now - RUNS_KEPT).delete()
    days = kept_days()
    return [_remove(kept, days[kept.kind], now) for kept in all_kept()]


def _remove(kept: Kept, days: int, now: datetime) -> RetentionRun:
    before = now - timedelta(days=days)
    try:
        removed = kept.remove(before, now)
    except (DatabaseError, OSError) as error:  # of the tables, or of a file
        logger.exception("Could not remove old %s", kept.kind)
        removed = Removed(failure=str(error).partition("\n")[0])
    with transaction.atomic():
        run = RetentionRun.objects.create(
            kind=kept.kind,
            at=now,
            days=days,
            before=before,
            rows=removed.rows,
            partitions=list(removed.partitions),
            by_policy=dict(removed.by_policy),
            failure=removed.failure[:200],
        )
        if removed.rows or removed.partitions:
            record(Verb.DELETED, run, after={
                "rows": removed.rows, "before": before, "kept_days": days,
                "partitions": list(removed.partitions), "by_policy": dict(removed.by_policy),
            })  # fmt: skip
    return run
