"""Which pages of other origins a browser lets read the API: those of publishable keys (CORS)."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from tenants.browser_keys import TOKEN_HEADER, allowed_origins

ABOUT = "/api/"
METHODS = "GET, POST, PUT, DELETE"
HEADERS = f"Authorization, Content-Type, {TOKEN_HEADER}, Sec-GPC, Idempotency-Key"
PREFLIGHT_KEPT = 600
"""Seconds for which a browser need not ask again."""


class CrossOriginMiddleware:
    """Answers preflights, and names the origin in answers that its pages may read. No cookies: a
    browser never sends a session along."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        origin = request.headers.get("Origin", "")
        here = hasattr(request, "tenant") and request.path.startswith(ABOUT)
        if not origin or not here:
            return self.get_response(request)
        allowed = origin in allowed_origins()
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response = HttpResponse(status=204 if allowed else 403)
            if allowed:
                response["Access-Control-Allow-Methods"] = METHODS
                response["Access-Control-Allow-Headers"] = HEADERS
                response["Access-Control-Max-Age"] = str(PREFLIGHT_KEPT)
        else:
            response = self.get_response(request)
            # A key of the tenant opens its own origins, and no other's.
            of_key = getattr(getattr(request, "user", None), "origins", None)
            allowed = allowed and (of_key is None or origin in of_key)
        if allowed:
            response["Access-Control-Allow-Origin"] = origin
        patch_vary_headers(response, ["Origin"])
        return response
