"""The app that owns shoppers, their consents and what they did."""

from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    name = "profiles"

    def ready(self) -> None:
        from profiles.held import register_stores  # noqa: PLC0415  # needs every model loaded
        from profiles.kept import register_kinds  # noqa: PLC0415

        register_stores()
        register_kinds()
