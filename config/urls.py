"""Every address of a tenant's host."""

from django.urls import path

from config.health import health

urlpatterns = [path("healthz", health)]
