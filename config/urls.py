"""Every address of a tenant's host."""

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.defaults import page_not_found, server_error
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

import config.schema  # noqa: F401  # registers itself with drf-spectacular
from config.health import health
from tenants.two_factor_pages import second_factor

api = [
    path("", include("catalog.api.urls")),
    path("", include("profiles.api.urls")),
    path("", include("recommendations.api.urls")),
]

urlpatterns = [
    path("healthz", health),
    path("api/v1/", include(api)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("admin/second-factor/", second_factor, name="second-factor"),
    path("admin/", admin.site.urls),
]
if settings.DEMO:
    urlpatterns.append(path("", include("demo.urls")))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"code": "not_found", "detail": "There is nothing here."}, status=404)
    return page_not_found(request, exception)


def failed(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"code": "error", "detail": "Something broke on our side."}, status=500)
    return server_error(request)


handler404 = not_found
handler500 = failed
