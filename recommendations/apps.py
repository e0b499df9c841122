"""The app that decides what to show, and keeps what it decided."""

from django.apps import AppConfig


class RecommendationsConfig(AppConfig):
    name = "recommendations"
