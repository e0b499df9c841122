"""What a browser may load and run on our pages, and which of its powers they may use."""

from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""For answers that are no page, should a browser ever open one."""

POWERS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

ADMIN = {"script-src": ["'self'", "'unsafe-eval'"]}
"""The admin's theme is driven by Alpine, which compiles the expressions in its attributes."""


class ContentPolicyMiddleware(CSPMiddleware):
    """django-csp's policy for pages, with what the admin's theme needs there alone; one line for
    answers of the API, so that they do not pay for building a policy."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not response.get("Content-Type", "").startswith("text/html"):
            response.setdefault("Content-Security-Policy", NOTHING)
            return response
        response.setdefault("Permissions-Policy", POWERS)
        return super().process_response(request, response)

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        report_only: bool = False,  # noqa: FBT001, FBT002  # django-csp's
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/"):
            parts.replace = {**ADMIN, **(parts.replace or {})}
        return parts
