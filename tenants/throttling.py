"""How many requests a minute an API key may send."""

import logging
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from tenants.connection import connection
from tenants.keys import KeyHolder

if TYPE_CHECKING:
    # rest_framework.views reads the settings that name this module.
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)


@cache
def _limiter() -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(
        storage_from_string(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=0.25)
    )


class ApiKeyThrottle(BaseThrottle):
    """A fixed window a key: one round trip. Open when the store is out, for a request must not
    fail because counting does."""

    _wait: float | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.user, KeyHolder):
            return True
        limit = RateLimitItemPerMinute(request.user.requests_per_minute)
        name = f"{connection.schema_name}:{request.user.key_id}"
        try:
            allowed = _limiter().hit(limit, name)
            if not allowed:
                self._wait = 60.0
        except RedisError:
            logger.exception("Rate limits are not counted: the store is out")
            return True
        return allowed

    def wait(self) -> float | None:
        return self._wait
