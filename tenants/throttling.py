"""How many requests a minute an API key may send."""

import hashlib
import logging
import time
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django_redis import get_redis_connection
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from tenants.connection import connection
from tenants.keys import KeyHolder

if TYPE_CHECKING:
    # rest_framework.views reads the settings that name this module.
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)

WINDOW = 60
"""Seconds."""


def window_key(schema: str, key_id: int) -> str:
    """Where the requests of an API key are counted in this minute."""
    return f"{schema}:requests:{key_id}:{int(time.time()) // WINDOW}"


def count_in(pipeline: Any, window: str) -> None:
    """Let `pipeline` count one more request; of its two results the first is the count."""
    pipeline.incr(window)
    pipeline.expire(window, 2 * WINDOW)


def note_count(request: HttpRequest, window: str, count: int | None) -> None:
    """Keep with the request what was counted; None when the store is out."""
    request.counted = window, count  # type: ignore[attr-defined]


class ApiKeyThrottle(BaseThrottle):
    """A fixed window a key, counted with what the request looks up first. Open when the store is
    out, for a request must not fail because counting does."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.user, KeyHolder):
            return True
        # First, so that what one shopper is refused does not count for all who share the key.
        if request.user.shopper is not None and not self._shopper_may(request.user):
            return False
        count = self._count(request, connection.schema_name, request.user.key_id)
        return count is None or count <= request.user.requests_per_minute

    def _shopper_may(self, holder: KeyHolder) -> bool:
        """A browser's shopper has a limit besides the key's, for a key is shared by all of them."""
        named = hashlib.sha256(repr(holder.shopper).encode()).hexdigest()[:32]
        count = self._counted(f"{window_key(connection.schema_name, holder.key_id)}:{named}")
        return count is None or count <= holder.shopper_requests_per_minute

    def _count(self, request: Request, schema: str, key_id: int) -> int | None:
        counted, count = getattr(request._request, "counted", ("", None))  # noqa: SLF001  # DRF's own
        if counted.startswith(f"{schema}:requests:{key_id}:"):
            if count is None:
                logger.error("Rate limits are not counted: the store is out")
            return count
        return self._counted(window_key(schema, key_id))

    def _counted(self, window: str) -> int | None:
        """One more in a window; how many that are, None while the store is out."""
        pipeline = get_redis_connection("default").pipeline(transaction=False)
        count_in(pipeline, window)
        try:
            now: int = pipeline.execute()[0]
        except RedisError:
            logger.exception("Rate limits are not counted: the store is out")
            return None
        return now

    def wait(self) -> float | None:
        """Seconds until the next window begins."""
        return WINDOW - time.time() % WINDOW
