"""The pages of the second factor: adding an authenticator app, and giving its code at log-in."""

import segno
from django import forms
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django_otp import login as otp_login
from django_otp import match_token, user_has_device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.widgets import UnfoldAdminTextInputWidget

from tenants.audit import Verb, about_row, record
from tenants.models import StaffUser
from tenants.sessions import end_sessions

APP = "authenticator app"
RECOVERY = "recovery codes"
RECOVERY_CODES = 10


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=16,
        label="Code",
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )

    def clean_code(self) -> str:
        return "".join(str(self.cleaned_data["code"]).split())


@never_cache
@sensitive_post_parameters("code")
@login_required
def second_factor(request: HttpRequest) -> HttpResponse:
    """Asks for a code, or, of somebody without a device, to add one."""
    user = request.user
    if not isinstance(user, StaffUser):
        return HttpResponseRedirect(reverse("admin:login"))
    return _ask(request, user) if user_has_device(user) else _enroll(request, user)


def _ask(request: HttpRequest, user: StaffUser) -> HttpResponse:
    form = CodeForm(request.POST or None)
    if form.is_valid():
        device = match_token(user, form.cleaned_data["code"])
        if device is not None:
            otp_login(request, device)
            record(Verb.SECOND_FACTOR_GIVEN, user, after={"device": device.name})
            return HttpResponseRedirect(_next(request))
        record(Verb.LOG_IN_FAILED, user, after={"factor": "second"})
        form.add_error("code", "This code is not right, or was used before. Try the next one.")
    return _page(request, "admin/second_factor.html", form=form)


def _enroll(request: HttpRequest, user: StaffUser) -> HttpResponse:
    device = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    if device is None:
        device = TOTPDevice.objects.create(user=user, name=APP, confirmed=False)
    form = CodeForm(request.POST or None)
    if form.is_valid():
        if device.verify_token(form.cleaned_data["code"]):
            codes = _confirm(request, user, device)
            return _page(request, "admin/second_factor_codes.html", codes=codes)
        form.add_error("code", "This code is not right. Is the clock of your phone?")
    return _page(
        request,
        "admin/second_factor_enroll.html",
        form=form,
        picture=_picture(device),
        key=" ".join(_groups(device)),
    )


def _confirm(request: HttpRequest, user: StaffUser, device: TOTPDevice) -> list[str]:
    """The device counts from now on; codes for when it is lost, which are shown this once."""
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        spare = StaticDevice.objects.create(user=user, name=RECOVERY)
        spare.token_set.bulk_create([StaticToken(device=spare, token=code) for code in codes])
        record(Verb.SECOND_FACTOR_ADDED, user, after={"device": APP})
    otp_login(request, device)
    return codes


def forget_second_factor(user: StaffUser) -> None:
    """Delete the person's devices and end their sessions: whoever has the lost one may be in."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        record(Verb.SECOND_FACTOR_RESET, about_row(user))
    end_sessions(user)


def _picture(device: TOTPDevice) -> SafeString:
    """The device's address as a QR code, drawn in the page: it goes to no other server."""
    drawn = segno.make(device.config_url, error="m").svg_inline(scale=5, border=2, light="white")
    return mark_safe(drawn)  # noqa: S308  # SVG made of our own squares


def _groups(device: TOTPDevice) -> list[str]:
    """The secret as apps want it typed: base 32, four letters at a time."""
    secret = device.config_url.split("secret=", 1)[1].split("&", 1)[0]
    return [secret[start : start + 4] for start in range(0, len(secret), 4)]


def _next(request: HttpRequest) -> str:
    wanted = request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return wanted
    return reverse("admin:index")


def _page(request: HttpRequest, template: str, **context: object) -> HttpResponse:
    shown = {**admin.site.each_context(request), "title": "Second factor", **context}
    return render(request, template, {**shown, "next": _next(request)})
