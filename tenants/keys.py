"""Secret API keys: minting, finding, revoking."""

import hashlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.utils import timezone

from tenants.models import ApiKey, Scope
from tenants.settled import find_last, find_settled, settle, unsettle

logger = logging.getLogger(__name__)

KEY_START = "attune_sk_"
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who is calling: the API key, as far as a request needs to know it."""

    key_id: int
    name: str
    scopes: frozenset[str]
    requests_per_minute: int
    noted_at: datetime

    is_authenticated = True


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _name(digest: str) -> str:
    return f"api-key:{digest}"


def mint_key(
    name: str, *, scopes: Iterable[str] = Scope.values, requests_per_minute: int = 6000
) -> tuple[ApiKey, str]:
    """A new key of the current tenant and its text, which cannot be had again later."""
    text = KEY_START + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        name=name,
        prefix=text[: len(KEY_START) + 4],
        digest=_digest(text),
        scopes=sorted(scopes),
        requests_per_minute=requests_per_minute,
    )
    return key, text


def find_key_holder(text: str) -> KeyHolder | None:
    """Who holds the key `text` in the current tenant; None when unknown or revoked.

    Settled; once a minute, in each process, a query and an update of `last_used_at`. While the
    database is out, a key that was good when it was last looked up stays good.
    """
    if not text.startswith(KEY_START) or len(text) > 100:
        return None
    digest = _digest(text)
    now = timezone.now()
    holder: KeyHolder | None = find_settled(_name(digest))
    if holder is not None and now - holder.noted_at < USE_NOTED_EVERY:
        return holder
    try:
        return _look_up(digest, now)
    except DatabaseError:
        holder = holder or find_last(_name(digest))
        if holder is None:
            raise
        logger.exception("An API key is taken from memory: the database is out")
        holder = replace(holder, noted_at=now)  # so that the next minute does not wait for it
        settle(_name(digest), holder)
        return holder


def _look_up(digest: str, now: datetime) -> KeyHolder | None:
    key = ApiKey.objects.filter(digest=digest).usable().first()
    if key is None:
        return None
    holder = KeyHolder(key.pk, key.name, frozenset(key.scopes), key.requests_per_minute, now)
    settle(_name(digest), holder)
    # Settled first and then noted: whoever revokes the key in between is seen here, and whoever
    # does so later unsettles it.
    return holder if key.mark_used(now) else None


def revoke_key(key: ApiKey) -> None:
    """End the key now: the next request with it is refused. Revoking twice changes nothing."""
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
    forget_key(key)


def forget_key(key: ApiKey) -> None:
    """Read the keys anew, from the next request on; call it after changing one."""
    logger.info("The API key %s was changed", key)
    unsettle()
