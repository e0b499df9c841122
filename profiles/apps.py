"""The app that owns shoppers, their consents and what they did."""

from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    name = "profiles"
