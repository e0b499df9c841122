"""The platform's own host: health and metrics, and no tenant's data."""

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django_prometheus.exports import ExportToDjangoView

import config.metrics  # noqa: F401  # registers itself with Prometheus
from config.health import health

urlpatterns = [
    path("healthz", health),
    path("metrics", ExportToDjangoView),
]


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    return JsonResponse({"code": "not_found", "detail": "There is nothing here."}, status=404)


handler404 = not_found
