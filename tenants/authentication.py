"""How an API request proves who sends it, and whether that key may do this."""

from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants.browser_keys import in_browser
from tenants.keys import KeyHolder, bearer_text, find_key_holder
from tenants.models import Scope

if TYPE_CHECKING:
    # rest_framework.views reads the settings that name this module.
    from rest_framework.views import APIView


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer attune_sk_…` with a secret key of the tenant at this host, or
    `attune_pk_…` with a publishable one and a shopper's token."""

    def authenticate(self, request: Request) -> tuple[KeyHolder, str] | None:
        text = bearer_text(request.META.get("HTTP_AUTHORIZATION", ""))
        if text is None:
            return None
        holder = find_key_holder(text)
        if holder is None:
            raise AuthenticationFailed("This key is unknown here or was revoked.", "invalid_key")
        return (in_browser(holder, request) if holder.publishable else holder), text

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """The key must have the scope that the view names in `required_scopes[method]`; a publishable
    one may use the methods in `browser_methods` only."""

    message = "This key lacks the scope that the operation needs."
    code = "missing_scope"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.user, KeyHolder):
            return False
        required: dict[str, Scope] = getattr(view, "required_scopes", {})
        method = request.method or ""
        if not hasattr(view, method.lower()):
            return True  # there is nothing to guard: the view answers 405
        # A method without a scope is refused, so that a forgotten one cannot leave a door open.
        scope = required.get(method)
        if request.user.publishable and method not in getattr(view, "browser_methods", ()):
            raise PermissionDenied("A browser's key may not do this.", "browser_key")
        return scope is not None and scope in request.user.scopes
