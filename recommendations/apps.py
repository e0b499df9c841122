"""The app that decides what to show, and keeps what it decided."""

from django.apps import AppConfig


class RecommendationsConfig(AppConfig):
    name = "recommendations"

    def ready(self) -> None:
        from recommendations.held import register_stores  # noqa: PLC0415  # needs every model
        from recommendations.kept import register_kinds  # noqa: PLC0415

        register_stores()
        register_kinds()
