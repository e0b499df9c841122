"""Publishable keys: how a browser proves that a shop's server let it speak for one shopper.

The server signs a short-lived token with the key's token secret. That secret is derived from the
platform's own and kept nowhere, so no table holds what would sign one. Rotating it makes the next
version; tokens of the one before stay good for OVERLAP.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import jwt
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from tenants.audit import Verb, record
from tenants.connection import connection
from tenants.errors import DomainError, ErrorKind
from tenants.input import external_id
from tenants.keys import KeyHolder, ShopperClaim, forget_key
from tenants.models import ApiKey
from tenants.settled import settled

TOKEN_HEADER = "X-Shopper-Token"  # noqa: S105  # the name of a header
ALGORITHM = "HS256"
MOST_LIFE = timedelta(hours=1)
OVERLAP = timedelta(hours=24)
LEEWAY = timedelta(seconds=10)
"""The clocks of servers differ."""

MOST_LETTERS = 2_000


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a request is about, as it says: a known id, an anonymous one, both or none."""

    known: str | None = None
    anonymous: str | None = None


def token_secret(key: ApiKey, version: int | None = None) -> str:
    """What the shop's server signs tokens with, for this version of it or the current one."""
    return _secret(key.digest, key.token_version if version is None else version)


def rotate_token_secret(key: ApiKey) -> str:
    """A new token secret; tokens signed with the one before are good for OVERLAP still."""
    with transaction.atomic():
        locked = ApiKey.objects.select_for_update().get(pk=key.pk)
        locked.token_version += 1
        locked.token_rotated_at = timezone.now()
        locked.save(update_fields=["token_version", "token_rotated_at"])
        record(Verb.CHANGED, locked, after={"token_version": locked.token_version})
    forget_key(locked)
    return token_secret(locked)


def sign_token(
    secret: str, version: int, *, known: str | None = None, anonymous: str | None = None,
    life: timedelta = timedelta(minutes=15),
) -> str:  # fmt: skip
    """A token as a shop's server makes it; see docs/browser-keys.md."""
    now = timezone.now()
    claims = {"iat": now, "exp": now + life, "sub": known or "", "anonymous": anonymous}
    return jwt.encode(claims, secret, algorithm=ALGORITHM, headers={"kid": str(version)})


def allowed_origins() -> frozenset[str]:
    """The origins of all usable publishable keys: whom a preflight is answered. Settled."""
    return cast("frozenset[str]", settled("browser-origins", _read_origins))


def _read_origins() -> frozenset[str]:
    keys = ApiKey.objects.filter(revoked_at=None, kind=ApiKey.Kind.PUBLISHABLE)
    return frozenset(
        o for origins in keys.values_list("allowed_origins", flat=True) for o in origins
    )


def in_browser(holder: KeyHolder, request: Request) -> KeyHolder:
    """The holder of a publishable key, bound to the shopper of the request's token.

    Raises PermissionDenied `origin_refused`, AuthenticationFailed `token_missing` or
    `invalid_token`.
    """
    if request.headers.get("Origin", "") not in (holder.origins or ()):
        raise PermissionDenied("This key is not for pages of this origin.", "origin_refused")
    token = request.headers.get(TOKEN_HEADER, "")
    if not token:
        raise AuthenticationFailed(f"Send {TOKEN_HEADER} with this key.", "token_missing")
    try:
        return replace(holder, shopper=_shopper_of(token, holder))
    except (jwt.InvalidTokenError, TypeError, ValueError) as error:
        raise AuthenticationFailed(
            "The shopper's token is expired, forged or of another key.", "invalid_token"
        ) from error


def claim_of(request: Request) -> ShopperClaim | None:
    """The shopper of the request's token; None with a secret key."""
    return cast("ShopperClaim | None", getattr(request.user, "shopper", None))


def about_shopper(request: Request, known: str | None, anonymous: str | None) -> Named:
    """Whom the request may be about: as it says with a secret key, and with a publishable one the
    token's shopper, named or not. Raises DomainError `other_shopper`."""
    claim = claim_of(request)
    if claim is None:
        return Named(known, anonymous)
    if known not in {None, claim.known} or anonymous not in {None, claim.anonymous}:
        raise DomainError(
            "other_shopper",
            "The token is for another shopper.",
            kind=ErrorKind.FORBIDDEN,
        )
    return Named(claim.known, claim.anonymous)


def _shopper_of(token: str, holder: KeyHolder) -> ShopperClaim:
    if len(token) > MOST_LETTERS:
        raise ValueError("too long")
    version = int(jwt.get_unverified_header(token).get("kid", ""))
    claims: dict[str, Any] = jwt.decode(
        token,
        _secret(holder.digest, _good_version(version, holder)),
        algorithms=[ALGORITHM],
        options={"require": ["exp", "iat", "sub"]},
        leeway=LEEWAY,
    )
    if int(claims["exp"]) - int(claims["iat"]) > MOST_LIFE.total_seconds():
        raise ValueError("too long a life")
    known, anonymous = (
        None if each in {None, ""} else external_id(each)
        for each in (claims["sub"], claims.get("anonymous"))
    )
    if known is None and anonymous is None:
        raise ValueError("nobody")
    return ShopperClaim(known, anonymous)


def _good_version(version: int, holder: KeyHolder) -> int:
    if version == holder.token_version:
        return version
    rotated = holder.token_rotated_at
    if version == holder.token_version - 1 and rotated and timezone.now() < rotated + OVERLAP:
        return version
    raise ValueError("a secret that was rotated away")


def _secret(digest: str, version: int) -> str:
    said = f"shopper-token:{connection.schema_name}:{digest}:{version}".encode()
    made = hmac.new(settings.SECRET_KEY.encode(), said, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
