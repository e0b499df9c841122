"""API keys, secret and publishable: minting, finding, revoking."""

import hashlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from tenants.audit import Verb, record
from tenants.errors import DomainError
from tenants.models import BROWSER_SCOPES, ApiKey, Scope, Tenant
from tenants.settled import kept_value, settled, unsettle

logger = logging.getLogger(__name__)

KEY_START = "attune_sk_"
PUBLISHABLE_START = "attune_pk_"
MOST_LETTERS = 100
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ShopperClaim:
    """The one shopper that a browser's token speaks for, by the shop's ids."""

    known: str | None
    anonymous: str | None


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who is calling: the API key, as far as a request needs to know it. A publishable key's
    request has a `shopper`, once its token was checked."""

    key_id: int
    name: str
    scopes: frozenset[str]
    requests_per_minute: int
    publishable: bool = False
    origins: frozenset[str] | None = None
    digest: str = field(default="", repr=False)
    shopper_requests_per_minute: int = 0
    token_version: int = 1
    token_rotated_at: datetime | None = None
    shopper: ShopperClaim | None = None

    is_authenticated = True


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def mint_key(
    name: str,
    *,
    scopes: Iterable[str] = Scope.values,
    requests_per_minute: int = 6000,
    origins: Iterable[str] = (),
    shopper_requests_per_minute: int = 120,
) -> tuple[ApiKey, str]:
    """A new key of the current tenant and its text, which cannot be had again later.

    With `origins` it is a publishable one, for pages there. Raises DomainError `browser_scope`
    for a scope that is none for a browser.
    """
    origins = sorted(origins)
    kind = ApiKey.Kind.PUBLISHABLE if origins else ApiKey.Kind.SECRET
    scopes = sorted(scopes)
    if origins and (wrong := set(scopes) - BROWSER_SCOPES):
        raise DomainError("browser_scope", f"Not in a browser: {', '.join(sorted(wrong))}.")
    text = (PUBLISHABLE_START if origins else KEY_START) + secrets.token_urlsafe(32)
    with transaction.atomic():
        key = ApiKey.objects.create(
            name=name,
            prefix=text[: len(KEY_START) + 4],
            digest=_digest(text),
            kind=kind,
            scopes=scopes,
            requests_per_minute=requests_per_minute,
            allowed_origins=origins,
            shopper_requests_per_minute=shopper_requests_per_minute,
        )
        record(
            Verb.KEY_MINTED,
            key,
            after={"scopes": key.scopes, "requests_per_minute": requests_per_minute},
        )
    if origins:
        unsettle()  # the origins that preflights are answered
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
    if not text.startswith((KEY_START, PUBLISHABLE_START)) or len(text) > MOST_LETTERS:
        return None
    digest = _digest(text)
    return settled(f"api-key:{digest}", lambda: _look_up(digest), at_most=USE_NOTED_EVERY)


def _look_up(digest: str) -> KeyHolder | None:
    key = ApiKey.objects.filter(digest=digest).usable().first()
    if key is None:
        return None
    key.mark_used(timezone.now())
    publishable = key.kind == ApiKey.Kind.PUBLISHABLE
    return KeyHolder(
        key.pk,
        key.name,
        frozenset(key.scopes),
        key.requests_per_minute,
        publishable=publishable,
        origins=frozenset(key.allowed_origins) if publishable else None,
        digest=key.digest,
        shopper_requests_per_minute=key.shopper_requests_per_minute,
        token_version=key.token_version,
        token_rotated_at=key.token_rotated_at,
    )


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
