"""The project as a Django app: its checks and commands."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        # Loaded here so that `@shared_task` finds the application and its broker.
        from config import celery, checks  # noqa: F401, PLC0415
