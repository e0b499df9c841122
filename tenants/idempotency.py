"""Writes that may be sent again: a request with an `Idempotency-Key` has one effect and one answer.

The key is taken, the effect made and the answer kept in one transaction. So whoever sends the same
at the same time waits for that transaction; and one that fails, or is ended by a crash, leaves
neither the effect nor the key.
"""

import base64
import functools
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import orjson
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import OperationalError, transaction
from django.utils import timezone
from psycopg.errors import LockNotAvailable
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.connection import connection
from tenants.deadlocks import in_transaction
from tenants.errors import DomainError, ErrorKind
from tenants.input import body_of
from tenants.kept_answers import KEPT_FOR
from tenants.keys import KeyHolder
from tenants.models import KeptAnswer, Tombstone
from tenants.tombstones import digest_of

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
PATIENCE = timedelta(seconds=10)
"""How long a request waits for the first one with its key."""

MOST_LETTERS = 255
PATTERN = r"^[\x21-\x7e]+$"

Handler = TypeVar("Handler", bound=Callable[..., Response])

TAKE = """
    INSERT INTO tenants_keptanswer (api_key_id, digest, asked, about, answer, made_at)
    VALUES (%(api_key)s, %(digest)s, %(asked)s, %(about)s, '', now())
    ON CONFLICT (api_key_id, digest) DO UPDATE
        SET asked = excluded.asked, about = excluded.about, status = NULL, answer = '',
            made_at = excluded.made_at
        WHERE tenants_keptanswer.made_at < %(since)s
    RETURNING id
"""
"""Waits for a transaction that took the same; finds nothing if that was committed."""


def idempotent(handler: Handler) -> Handler:
    """A method of a view that writes: honors the header, and is as it was without one.

    Raises DomainError `invalid_idempotency_key`, `idempotency_key_reused` where the same key came
    with something else, `request_in_progress` where the first takes longer than PATIENCE.
    """

    @functools.wraps(handler)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        if HEADER not in request.headers:
            return handler(view, request, *args, **kwargs)
        once = _named(request, kwargs.get("shopper"))
        return in_transaction(lambda: _once(once, lambda: handler(view, request, *args, **kwargs)))

    answer.is_idempotent = True  # type: ignore[attr-defined]  # tests look for it
    return cast("Handler", answer)


@dataclass(frozen=True, slots=True)
class _Named:
    """A request by the name that its caller gave it, and what it asks."""

    api_key: int
    digest: str
    secret: bytes
    asked: str
    about: str


def _named(request: Request, shopper: str | None) -> _Named:
    name = request.headers[HEADER]
    if len(name) > MOST_LETTERS or not re.match(PATTERN, name):
        raise DomainError(
            "invalid_idempotency_key",
            f"{HEADER} is 1 to {MOST_LETTERS} visible characters of ASCII.",
        )
    holder = cast("KeyHolder", request.user)
    # Keys of browsers are shared by shoppers, who must not meet in a name.
    said = repr((connection.schema_name, holder.key_id, holder.shopper, name))
    return _Named(
        holder.key_id,
        _keyed("idempotency-name", said).hex(),
        _keyed("idempotency-answer", said),
        _fingerprint(request),
        digest_of((request.query_params.get("named_by", "known"), shopper.strip()))
        if shopper
        else "",
    )


def _once(once: _Named, act: Callable[[], Response]) -> Response:
    if not _take(once):
        kept = KeptAnswer.objects.get(api_key=once.api_key, digest=once.digest)
        if kept.asked != once.asked:
            raise DomainError(
                "idempotency_key_reused",
                f"This {HEADER} was sent with another request before.",
                kind=ErrorKind.UNPROCESSABLE,
            )
        if kept.about and Tombstone.objects.filter(digest=kept.about).exists():
            return act()  # nothing of who was erased is told again
        return _again(once, kept)
    response = act()
    if response.status_code >= 400:
        transaction.set_rollback(True)  # a refusal changed nothing, and may be mended
        return response
    _keep(once, response)
    return response


def _take(once: _Named) -> bool:
    """Whether the name is ours; False when it was used before, by a request that succeeded."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {PATIENCE // timedelta(milliseconds=1)}")
        try:
            cursor.execute(
                TAKE,
                {
                    "api_key": once.api_key,
                    "digest": once.digest,
                    "asked": once.asked,
                    "about": once.about,
                    "since": timezone.now() - KEPT_FOR,
                },
            )
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            raise DomainError(
                "request_in_progress",
                f"The first request with this {HEADER} is not answered yet.",
                kind=ErrorKind.CONFLICT,
            ) from error
        taken = cursor.fetchone() is not None
        cursor.execute("SET LOCAL lock_timeout = DEFAULT")
    return taken


def _keep(once: _Named, response: Response) -> None:
    said = Fernet(base64.urlsafe_b64encode(once.secret)).encrypt(
        orjson.dumps(response.data, default=str)
    )
    KeptAnswer.objects.filter(api_key=once.api_key, digest=once.digest).update(
        status=response.status_code, answer=said
    )


def _again(once: _Named, kept: KeptAnswer) -> Response:
    said = Fernet(base64.urlsafe_b64encode(once.secret)).decrypt(bytes(kept.answer))
    return Response(orjson.loads(said), status=kept.status, headers={REPLAYED: "true"})


def _keyed(purpose: str, said: str) -> bytes:
    return hmac.new(settings.SECRET_KEY.encode(), f"{purpose}\0{said}".encode(), "sha256").digest()


def _fingerprint(request: Request) -> str:
    """SHA-256 of method, address and body; of a form its fields, as its boundary is random."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\0".encode())
    if request.content_type.startswith("multipart/"):
        for name, value in sorted(request.data.items()):
            digest.update(f"\0{name}\0".encode())
            if isinstance(value, UploadedFile):
                for part in value.chunks():
                    digest.update(part)
                value.seek(0)
            else:
                digest.update(str(value).encode("utf-8", "surrogatepass"))
    else:
        digest.update(body_of(request))
    return digest.hexdigest()
