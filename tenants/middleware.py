"""From the request's host to the tenant's schema."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import set_urlconf
from django.utils import timezone
from django_tenants.utils import remove_www

from tenants.acting import acting_for
from tenants.connection import connection
from tenants.hosts import PLATFORM_HOSTS, find_tenant
from tenants.look_ahead import look_ahead
from tenants.models import Tenant
from tenants.settled import one_look


class TenantMiddleware:
    """Sets the schema and the time zone for a request and puts `public` and UTC back after it.

    Hosts of no tenant get 404. `localhost` itself is the platform's own host: it serves
    `settings.PUBLIC_SCHEMA_URLCONF` (health and metrics), with no tenant's data in reach.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with one_look(), acting_for(request):
            return self._respond(request)

    def _respond(self, request: HttpRequest) -> HttpResponse:
        connection.set_schema_to_public()
        try:
            host = remove_www(request.get_host().rsplit(":", 1)[0].lower())
        except DisallowedHost:
            return unknown_host()
        if host in PLATFORM_HOSTS:
            # Without a look-up: health and metrics are asked for when the database is out.
            request.urlconf = settings.PUBLIC_SCHEMA_URLCONF  # type: ignore[attr-defined]
            set_urlconf(settings.PUBLIC_SCHEMA_URLCONF)
        elif (tenant := self._tenant_at(host, request)) is not None:
            request.tenant = tenant  # type: ignore[attr-defined]
            connection.set_tenant(tenant)
            timezone.activate(tenant.time_zone)
        else:
            return unknown_host()
        try:
            return self.get_response(request)
        finally:
            connection.set_schema_to_public()
            timezone.deactivate()

    def _tenant_at(self, host: str, request: HttpRequest) -> Tenant | None:
        look_ahead(request, host)
        return find_tenant(host)


def unknown_host() -> JsonResponse:
    return JsonResponse({"code": "unknown_host", "detail": "No shop at this host."}, status=404)
