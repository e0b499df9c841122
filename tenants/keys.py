"""Secret API keys: minting, finding, revoking."""

import hashlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from tenants.audit import Verb, record
from tenants.models import ApiKey, Scope, Tenant
from tenants.settled import kept_value, settled, unsettle

logger = logging.getLogger(__name__)

KEY_START = "attune_sk_"
MOST_LETTERS = 100
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who is calling: the API key, as far as a request needs to know it."""

    key_id: int
    name: str
    scopes: frozenset[str]
    requests_per_minute: int

    is_authenticated = True


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def mint_key(
    name: str, *, scopes: Iterable[str] = Scope.values, requests_per_minute: int = 6000
) -> tuple[ApiKey, str]:
    """A new key of the current tenant and its text, which cannot be had again later."""
    text = KEY_START + secrets.token_urlsafe(32)
    with transaction.atomic():
        key = ApiKey.objects.create(
            name=name,
            prefix=text[: len(KEY_START) + 4],
            digest=_digest(text),
            scopes=sorted(scopes),
            requests_per_minute=requests_per_minute,
        )
        record(
            Verb.KEY_MINTED,
            key,
            after={"scopes": key.scopes, "requests_per_minute": requests_per_minute},
        )
    return key, text


def bearer_text(header: str) -> str | None:
    """The key in an `Authorization` header; None where that is of another scheme or missing."""
    scheme, _, text = header.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def guess_key_holder(request: HttpRequest, tenant: Tenant) -> KeyHolder | None:
    """Who probably holds the request's key, without asking anybody: no proof of anything."""
    text = bearer_text(request.META.get("HTTP_AUTHORIZATION", ""))
    if not text or len(text) > MOST_LETTERS:
        return None
    name = f"api-key:{_digest(text)}"
    return cast("KeyHolder | None", kept_value(name, schema=tenant.schema_name, tenant=tenant.pk))


def find_key_holder(text: str) -> KeyHolder | None:
    """Who holds the key `text` in the current tenant; None when unknown or revoked.

    Settled; once a minute, in each process, a query and an update of `last_used_at`. While the
    database is out, a key that was good when it was last looked up stays good.
    """
    if not text.startswith(KEY_START) or len(text) > MOST_LETTERS:
        return None
    digest = _digest(text)
    return settled(f"api-key:{digest}", lambda: _look_up(digest), at_most=USE_NOTED_EVERY)


def _look_up(digest: str) -> KeyHolder | None:
    key = ApiKey.objects.filter(digest=digest).usable().first()
    if key is None:
        return None
    key.mark_used(timezone.now())
    return KeyHolder(key.pk, key.name, frozenset(key.scopes), key.requests_per_minute)


def revoke_key(key: ApiKey) -> None:
    """End the key now: the next request with it is refused. Revoking twice changes nothing."""
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        with transaction.atomic():
            key.save(update_fields=["revoked_at"])
            record(Verb.KEY_REVOKED, key)
    forget_key(key)


def forget_key(key: ApiKey) -> None:
    """Read the keys anew, from the next request on; call it after changing one."""
    logger.info("The API key %s was changed", key)
    unsettle()
