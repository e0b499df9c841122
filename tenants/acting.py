"""Who is acting just now, and from where: what an audit entry says of its author."""

import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from celery import current_task
from django.conf import settings
from django.http import HttpRequest

_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)

REQUEST_ID = re.compile(r"[\w.:-]{8,64}")
MOST_LETTERS = 45  # of an address: the longest of IPv6


class ActorKind(StrEnum):
    """What kind of author an entry has."""

    STAFF = "staff"
    API_KEY = "api_key"
    SYSTEM = "system"
    VISITOR = "visitor"


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of an entry. `key` is the row's id; the name stays when the row is gone."""

    kind: ActorKind
    name: str
    key: str = ""
    address: str = ""
    request_id: str = ""


@contextmanager
def acting_for(request: HttpRequest) -> Iterator[None]:
    """Within it, what is recorded is owed to whoever sent the request."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def current_actor() -> Actor:
    """The request's staff user or API key; outside of a request the task or the command."""
    request = _request.get()
    if request is None:
        return Actor(ActorKind.SYSTEM, _program())
    user: Any = getattr(request, "user", None)
    where = {"address": client_address(request), "request_id": request_id(request)}
    if (key := getattr(user, "key_id", None)) is not None:  # a KeyHolder
        return Actor(ActorKind.API_KEY, user.name, str(key), **where)
    if user is not None and user.is_authenticated:
        return Actor(ActorKind.STAFF, user.get_username(), str(user.pk), **where)
    return Actor(ActorKind.VISITOR, "", **where)


def client_address(request: HttpRequest) -> str:
    """Where the request comes from. Behind a proxy that is believed: what that proxy saw, which is
    the last address it names, for a sender may write any before it."""
    if settings.SECURE_PROXY_SSL_HEADER:
        seen = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
        if seen:
            return seen[:MOST_LETTERS]
    return str(request.META.get("REMOTE_ADDR", ""))[:MOST_LETTERS]


def request_id(request: HttpRequest) -> str:
    """The proxy's `X-Request-ID`, or one of our own; the same for all of one request."""
    known: str | None = getattr(request, "attune_request_id", None)
    if known is None:
        given = str(request.META.get("HTTP_X_REQUEST_ID", ""))
        known = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        request.attune_request_id = known  # type: ignore[attr-defined]
    return known


def _program() -> str:
    """The Celery task that runs, or else `manage.py` with its command."""
    task = getattr(current_task, "name", None)
    if task:
        return str(task)
    name = Path(sys.argv[0]).name
    return f"{name} {sys.argv[1]}" if name == "manage.py" and len(sys.argv) > 1 else name
