"""The app that owns what can be recommended."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "catalog"
