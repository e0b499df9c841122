"""The app that owns tenants, staff users and API keys."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"
