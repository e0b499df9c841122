"""The audit trail's one way in: `record`, called in the transaction of what it records."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import Model, QuerySet
from django_tenants.utils import get_public_schema_name

from tenants.acting import Actor, current_actor
from tenants.audit_models import AuditEntry
from tenants.connection import connection

HIDDEN = "(hidden)"
MOST_LETTERS = 2_000
"""Of one value. What is longer ends in an ellipsis: a trail is no backup."""

SECRETS = ("password", "secret", "digest", "token", "key")
"""A field whose name ends in one of these is never written down."""

WRITTEN_AS_THEY_ARE = (bool, int, float, Decimal, date, time)
"""By JSON, or by Django's encoder of it. A moment is a date, too."""


class Verb(StrEnum):
    """What was done. A verb is part of the trail for good: it may be added, never renamed."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"
    VIEWED = "viewed"
    LISTED = "listed"
    EXPORTED = "exported"
    RAN = "ran"
    KEY_MINTED = "minted key"
    KEY_REVOKED = "revoked key"
    LOGGED_IN = "logged in"
    LOGGED_OUT = "logged out"
    LOG_IN_FAILED = "log-in failed"
    LOCKED_OUT = "locked out"
    SECOND_FACTOR_ADDED = "added second factor"
    SECOND_FACTOR_GIVEN = "gave second factor"
    SECOND_FACTOR_RESET = "reset second factor"


@dataclass(frozen=True, slots=True)
class About:
    """Which object an entry is about, where there is no row of it, or no label to write down."""

    kind: str
    object_id: str = ""
    label: str = ""


_recorded: ContextVar[int] = ContextVar("recorded", default=0)


def record(
    verb: Verb,
    about: Model | About | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    actor: Actor | None = None,
) -> AuditEntry:
    """Write one entry of the current tenant: one INSERT, undone with the caller's transaction.

    `before` and `after` hold what changed, by field, without personal data: pass values through
    `shown`. The author is whoever sent the request, or the task or command that runs. Entries of
    one tenant are numbered one after the other, so until the caller's transaction ends nobody
    else's entry can be written: record last. Raises RuntimeError in `public`.
    """
    if connection.schema_name == get_public_schema_name():
        raise RuntimeError("An audit entry belongs to a tenant, but the current schema is public.")
    who = actor or current_actor()
    what = about if isinstance(about, About) else about_row(about)
    _recorded.set(_recorded.get() + 1)
    return AuditEntry.objects.create(
        actor_kind=who.kind,
        actor_id=who.key,
        actor=_text(who.name, 200),
        address=who.address,
        request_id=who.request_id,
        verb=verb,
        kind=what.kind,
        object_id=_text(what.object_id, 64),
        label=_text(what.label, 200),
        before=dict(before or {}),
        after=dict(after or {}),
    )


def recorded_here() -> int:
    """How many entries this thread or request wrote so far, to see whether something wrote one."""
    return _recorded.get()


def about_row(row: Model | None, *, personal: bool = False) -> About:
    """A row as the trail names it. Of a person's row nothing but its kind and id stays: an entry
    outlives the erasure of the person."""
    if row is None:
        return About("")
    meta = row._meta  # noqa: SLF001  # documented by Django
    label = f"{meta.verbose_name} {row.pk}" if personal else str(row)
    return About(meta.label_lower, str(row.pk), label)


def shown(values: Mapping[str, Any], *, hidden: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Values as JSON holds them. Secrets and the fields of `hidden` keep their names alone."""
    return {
        name: HIDDEN if name in hidden or is_secret(name) else _value(value)
        for name, value in values.items()
    }


def is_secret(field: str) -> bool:
    """Whether a field holds what lets somebody in."""
    return field.lower().rstrip("12").endswith(SECRETS)


def _value(value: Any) -> Any:
    if value is None or isinstance(value, WRITTEN_AS_THEY_ARE):
        return value
    if isinstance(value, str):
        return _text(value, MOST_LETTERS)
    if isinstance(value, QuerySet | list | tuple | set | frozenset):
        return [_value(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _value(each) for name, each in value.items()}
    return _text(str(value), 200)


def _text(text: str, most: int) -> str:
    """Without the NUL that Postgres refuses, and no longer than `most` letters."""
    text = text.replace("\x00", "")
    return text if len(text) <= most else text[: most - 1] + "…"
