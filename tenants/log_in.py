"""Logging in to the admin: what is recorded, who is locked out, and how long a session lasts.

axes calls its handler at each log-in, log-out and failure, so this is the one place for all three.
"""

from datetime import timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from tenants.acting import client_address
from tenants.audit import HIDDEN, About, Verb, record
from tenants.models import StaffUser
from tenants.two_factor import note_log_in

LONGEST_NAME = 150
"""Letters, of a staff user."""

MOST_FAILURES_OF_AN_ADDRESS = 50
"""By all names together, before an address waits: enough for an office, too few for a list of
names or of passwords."""

SESSION_LASTS = timedelta(hours=12)
"""Of staff: a working day. A storefront's visitors keep theirs."""


class RecordingHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes is untyped
    """Counts failures in the tenant's database, and records what happens in its audit trail."""

    def is_locked(self, request: HttpRequest, credentials: Any = None) -> bool:
        return super().is_locked(request, credentials) or _too_many_of_an_address(request)

    def user_logged_in(
        self, sender: Any, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any
    ) -> None:
        super().user_logged_in(sender, request, user, **kwargs)
        request.session.set_expiry(SESSION_LASTS)
        note_log_in(request, user)
        record(Verb.LOGGED_IN, user)

    def user_logged_out(
        self, sender: Any, request: HttpRequest, user: AbstractBaseUser | None, **kwargs: Any
    ) -> None:
        super().user_logged_out(sender, request, user, **kwargs)
        if user is not None:
            record(Verb.LOGGED_OUT, user)

    def user_login_failed(
        self, sender: Any, credentials: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        """Recorded until the lock: what follows would let anybody fill the trail."""
        name = get_client_username(request, credentials) or ""
        if len(name) > LONGEST_NAME:
            return  # nobody has it, and it would not fit
        if _too_many_of_an_address(request):
            request.axes_locked_out = True  # type: ignore[union-attr]  # the middleware answers it
            return
        locked = request is not None and self.is_locked(request, credentials)
        super().user_login_failed(sender, credentials, request, **kwargs)
        if request is None or locked:
            return
        known = StaffUser.objects.filter(username=name).first()
        verb = Verb.LOCKED_OUT if getattr(request, "axes_locked_out", False) else Verb.LOG_IN_FAILED
        # A name that nobody has may be a password, typed into the wrong field.
        record(verb, known or About("tenants.staffuser", label=HIDDEN if name else ""))


def _too_many_of_an_address(request: HttpRequest | None) -> bool:
    """Whether an address failed too often lately, whatever the names it tried."""
    if request is None:
        return False
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    lately = AccessAttempt.objects.filter(
        ip_address=client_address(request) or None, attempt_time__gt=since
    )
    failures: int = lately.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
    return failures >= MOST_FAILURES_OF_AN_ADDRESS


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """What somebody sees who failed too often, whether or not such a person exists."""
    return render(
        request,
        "admin/locked_out.html",
        {**admin.site.each_context(request), "title": "Locked"},
        status=429,
    )
