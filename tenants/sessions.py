"""Ending the sessions of a person of the staff, on whatever device they are."""

from importlib import import_module

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone

from tenants.models import StaffUser


def end_sessions(user: StaffUser) -> int:
    """Log the person out everywhere; how many sessions that ended.

    A session does not tell whose it is without being opened, so all that still run are: a shop has
    as many as it has staff at work.
    """
    store = import_module(settings.SESSION_ENGINE).SessionStore
    theirs = [
        session.session_key
        for session in Session.objects.filter(expire_date__gte=timezone.now()).iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    for key in theirs:
        store(key).delete()  # from the cache, too
    return len(theirs)
