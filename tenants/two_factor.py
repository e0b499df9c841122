"""The second factor of staff: who needs one, and that nothing opens before it was given."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY, user_has_device

from tenants.roles import PERSONAL_PERMISSIONS, administers

HAS_DEVICE = "second_factor"
"""In the session of whoever had a device at log-in: the pages need not ask the database."""

OPEN = frozenset({"login", "logout", "jsi18n"})
"""Pages of the admin that need no second factor."""


def requires_second_factor(user: object) -> bool:
    """Whether the person must have a second factor: those who make staff, and those who see
    personal data, by their role or by a permission of their own."""
    if not settings.TWO_FACTOR_REQUIRED:
        return False
    if administers(user):
        return True
    held: set[str] = getattr(user, "get_all_permissions", set)()
    return not PERSONAL_PERMISSIONS.isdisjoint(held)


def note_log_in(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Remember in the session, which has just begun, whether the person has a device."""
    request.session[HAS_DEVICE] = user_has_device(user)


def second_factor_is_due(request: HttpRequest) -> bool:
    """Whether this session has yet to give a second factor. Asks no database but for the person's
    permissions, which the page asks for as well."""
    if not request.user.is_authenticated or DEVICE_ID_SESSION_KEY in request.session:
        return False
    return request.session.get(HAS_DEVICE, False) or requires_second_factor(request.user)


class TwoFactorMiddleware:
    """Leads from every page of the admin to the second factor while that is due."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: Any, _args: Any, _kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.app_names[:1] != ["admin"] or match.url_name in OPEN:
            return None
        if not second_factor_is_due(request):
            return None
        there = reverse("second-factor")
        if request.method == "GET":
            there = f"{there}?{urlencode({'next': request.get_full_path()})}"
        return HttpResponseRedirect(there)
