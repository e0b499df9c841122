"""Whether this process can serve: what a load balancer asks."""

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse


def health(request: HttpRequest) -> JsonResponse:
    """200 while the database answers. The cache may be out: requests are answered without it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        database = True
    except DatabaseError:
        database = False
    cache.set("health", 1, 5)
    return JsonResponse(
        {"database": database, "cache": cache.get("health") == 1}, status=200 if database else 503
    )
