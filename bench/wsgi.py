"""The product's WSGI application with `bench.urls`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

settings.ROOT_URLCONF = "bench.urls"

from config.wsgi import application

__all__ = ["application"]
