"""The WSGI application that granian serves."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

# What was loaded to here stays for good: the collector need not look at it again. A slate makes
# some thousand small tuples, so with the default of 700 it would run several times a request.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)
