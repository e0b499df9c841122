"""Logging in to the admin: recorded, locked after too many failures, and with a second factor."""

import re
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from profiles.models import Shopper
from tenants.audit import HIDDEN
from tenants.audit_models import AuditEntry
from tenants.models import StaffUser, Tenant
from tenants.roles import Role
from tests.conftest import TenantPair
from tests.staff import PASSWORD, Browser, page_of, sign_in, text_of, visitor

LOG_IN = "/admin/login/"
SECOND = "/admin/second-factor/"


def make_staff(name: str, role: str = Role.MERCHANDISER) -> StaffUser:
    return StaffUser.objects.create_user(name, None, PASSWORD, is_staff=True, role=role)


def log_in(client: Browser, name: str, password: str = PASSWORD) -> Any:
    return client.post(LOG_IN, {"username": name, "password": password})


def verbs() -> list[str]:
    return list(AuditEntry.objects.order_by("number").values_list("verb", flat=True))


def forget_the_wait() -> None:
    """A second after a wrong code, two after the next, and so on: as if they had passed."""
    TOTPDevice.objects.update(throttling_failure_count=0)
    StaticDevice.objects.update(throttling_failure_count=0)


def code_of(device: TOTPDevice, *, later: int = 0) -> str:
    """What the app shows; `later` counts half minutes, for a code works once."""
    device.refresh_from_db()
    return f"{totp(device.bin_key, device.step, device.t0, device.digits, later):06d}"


def test_log_ins_failures_and_log_outs_are_recorded(tenant: Tenant) -> None:
    mia = make_staff("mia")
    before = len(verbs())
    client = visitor(tenant)
    log_in(client, "mia", "wrong")
    assert log_in(client, "mia").status_code == 302
    client.post("/admin/logout/")
    assert verbs()[before:] == ["log-in failed", "logged in", "logged out"]
    failed, entered, _ = AuditEntry.objects.order_by("number")[before:]
    assert (failed.actor_kind, failed.object_id) == ("visitor", str(mia.pk))
    assert (entered.actor, entered.address) == ("mia", "127.0.0.1")


def test_a_password_typed_into_the_name_is_not_written_down(tenant: Tenant) -> None:
    log_in(visitor(tenant), "my secret pass phrase")
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.verb, entry.label) == ("log-in failed", HIDDEN)
    assert "secret pass" not in str(AuditEntry.objects.values())


def test_too_many_failures_lock_the_name_at_this_address_and_nothing_else(
    tenant: Tenant, tenants: TenantPair
) -> None:
    make_staff("mia")
    make_staff("max")
    client = visitor(tenant)
    for _ in range(8):
        answer = log_in(client, "mia", "wrong")
    assert answer.status_code == 429
    assert "15 minutes" in text_of(answer)
    assert verbs()[-1] == "locked out"
    assert log_in(client, "mia").status_code == 429, "also with the right password"
    assert verbs()[-1] == "locked out", "what follows does not fill the trail"
    assert verbs().count("locked out") == 1

    assert log_in(client, "max").status_code == 302
    elsewhere = visitor(tenant)
    elsewhere.defaults["REMOTE_ADDR"] = "10.1.2.3"
    assert log_in(elsewhere, "mia").status_code == 302


def test_an_address_that_fails_by_many_names_waits_and_no_longer_fills_the_trail(
    tenant: Tenant, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.log_in.MOST_FAILURES_OF_AN_ADDRESS", 5)
    make_staff("mia")
    client = visitor(tenant)
    answers = [log_in(client, f"nobody-{number}", "wrong").status_code for number in range(7)]
    assert answers == [200] * 5 + [429] * 2
    assert len(verbs()) == 5
    assert log_in(client, "mia").status_code == 429, "a password that was guessed by then, too"
    elsewhere = visitor(tenant)
    elsewhere.defaults["REMOTE_ADDR"] = "10.1.2.3"
    assert log_in(elsewhere, "mia").status_code == 302
    AccessAttempt.objects.update(attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME)
    assert log_in(client, "mia").status_code == 302


@pytest.mark.parametrize("name", ["x" * 151, "x" * 100_000, "mia\x00"])
def test_a_name_that_nobody_can_have_is_refused_like_any_other(tenant: Tenant, name: str) -> None:
    answer = log_in(visitor(tenant), name)
    assert (answer.status_code, "errornote" in text_of(answer) or "error" in text_of(answer)) == (
        200, True,
    )  # fmt: skip


def test_a_new_password_is_recorded_whoever_sets_it(tenant: Tenant) -> None:
    mia = make_staff("mia")
    client = visitor(tenant)
    client.force_login(mia)
    new = "another pass phrase 8"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/admin/password_change/", form).status_code == 302
    entry = AuditEntry.objects.get(verb="changed")
    assert (entry.actor, entry.object_id, entry.after) == (
        "mia", str(mia.pk), {"password": HIDDEN}
    )  # fmt: skip
    boss = sign_in(tenant)
    form = {"password1": new + "9", "password2": new + "9", "usable_password": "true"}
    assert boss.post(f"/admin/tenants/staffuser/{mia.pk}/password/", form).status_code == 302
    assert AuditEntry.objects.filter(verb="changed").count() == 2, "once by that page"
    mia.set_password(PASSWORD)
    mia.save()
    assert AuditEntry.objects.filter(verb="changed", actor_kind="system").count() == 1
    assert new not in str(list(AuditEntry.objects.values()))


def test_behind_a_proxy_the_address_is_what_the_proxy_saw(tenant: Tenant, settings: Any) -> None:
    make_staff("mia")
    client = visitor(tenant)
    forged = {"X-Forwarded-For": "1.1.1.1, 10.9.8.7"}
    client.post(LOG_IN, {"username": "mia", "password": PASSWORD}, headers=forged)
    assert AuditEntry.objects.filter(verb="logged in", address="127.0.0.1").count() == 1

    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    client.post(LOG_IN, {"username": "mia", "password": PASSWORD}, headers=forged)
    assert AuditEntry.objects.filter(verb="logged in", address="10.9.8.7").count() == 1


def test_a_session_of_staff_ends_after_a_working_day(tenant: Tenant) -> None:
    make_staff("mia")
    client = visitor(tenant)
    answer = log_in(client, "mia")
    cookie = answer.cookies["sessionid"]
    assert 11 * 3600 < int(cookie["max-age"]) <= 12 * 3600
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


@pytest.mark.parametrize("weak", ["short pass", "password1234", "123456789012", "mia-mia-mia-mia"])
def test_weak_passwords_are_refused(tenant: Tenant, weak: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(weak, StaffUser(username="mia-mia-mia-mia"))
    validate_password(PASSWORD)


def test_those_who_must_have_a_second_factor_add_one_before_anything_opens(
    tenant: Tenant, settings: Any
) -> None:
    settings.TWO_FACTOR_REQUIRED = True
    make_staff("mia")
    at_once = visitor(tenant)
    log_in(at_once, "mia")
    assert at_once.get("/admin/catalog/item/").status_code == 200, "a merchandiser need not"

    officer = make_staff("olga", Role.PRIVACY_OFFICER)
    client = visitor(tenant)
    log_in(client, "olga")
    for path in ("/admin/", "/admin/profiles/shopper/", "/admin/tenants/auditentry/export/"):
        answer = client.get(path)
        assert answer.status_code == 302, path
        assert answer["Location"].startswith(SECOND), path
    assert client.post("/admin/profiles/shopper/", {}).status_code == 302

    page = text_of(client.get(f"{SECOND}?next=/admin/profiles/shopper/"))
    assert "<svg" in page
    device = TOTPDevice.objects.get(user=officer)
    assert not device.confirmed
    assert "not right" in text_of(client.post(SECOND, {"code": "000000"}))
    assert client.get("/admin/").status_code == 302
    forget_the_wait()

    done = client.post(f"{SECOND}?next=/admin/profiles/shopper/", {"code": code_of(device)})
    codes = re.findall(r"<li><code>(\w+)</code>", text_of(done))
    assert len(codes) == 10
    assert 'href="/admin/profiles/shopper/"' in text_of(done)
    assert client.get("/admin/profiles/shopper/").status_code == 200
    assert "added second factor" in verbs()


def test_whoever_may_see_a_shopper_by_a_permission_of_their_own_needs_one_too(
    tenant: Tenant, settings: Any
) -> None:
    settings.TWO_FACTOR_REQUIRED = True
    shoppers = page_of(Shopper, "changelist")
    for permission, due in (("profiles.view_shopper", True), ("catalog.view_item", False)):
        client = sign_in(tenant, permission, permissions=(permission,))
        answer = client.get(shoppers)
        assert answer.status_code == (302 if due else 403)
        assert answer.get("Location", "").startswith(SECOND) == due


def test_whoever_has_a_device_is_asked_for_its_code_at_every_log_in(tenant: Tenant) -> None:
    mia = make_staff("mia")
    client = visitor(tenant)
    log_in(client, "mia")
    assert client.get("/admin/").status_code == 200, "nobody asks for one"
    client.get(SECOND)
    device = TOTPDevice.objects.get(user=mia)
    client.post(SECOND, {"code": code_of(device)})
    spare = list(StaticToken.objects.values_list("token", flat=True))

    again = visitor(tenant)
    log_in(again, "mia")
    assert again.get("/admin/catalog/item/")["Location"].startswith(SECOND)
    wrong = text_of(again.post(SECOND, {"code": "123 123"}))
    assert "not right" in wrong
    assert verbs()[-1] == "log-in failed"
    assert "<svg" not in wrong, "the key is not shown again"
    forget_the_wait()
    there = again.post(f"{SECOND}?next=//evil.example/", {"code": code_of(device, later=1)})
    assert there["Location"] == "/admin/"
    assert again.get("/admin/catalog/item/").status_code == 200

    lost = visitor(tenant)
    log_in(lost, "mia")
    assert lost.post(SECOND, {"code": spare[0]}).status_code == 302
    assert lost.get("/admin/").status_code == 200
    twice = visitor(tenant)
    log_in(twice, "mia")
    twice.post(SECOND, {"code": spare[0]})
    assert twice.get("/admin/").status_code == 302, "a recovery code works once"


def test_an_administrator_resets_the_second_factor_of_somebody_who_lost_it(
    tenant: Tenant, settings: Any
) -> None:
    mia = make_staff("mia")
    TOTPDevice.objects.create(user=mia, confirmed=True)
    chosen = {"action": "reset_second_factor", "_selected_action": [mia.pk]}
    helper = sign_in(
        tenant, "helper", permissions=("tenants.view_staffuser", "tenants.change_staffuser")
    )
    helper.post(page_of(StaffUser, "changelist"), chosen)
    assert TOTPDevice.objects.exists()
    sign_in(tenant).post(page_of(StaffUser, "changelist"), chosen)
    assert not TOTPDevice.objects.exists()
    assert verbs()[-1] == "reset second factor"


def test_a_reset_logs_out_whoever_has_the_lost_device_and_nobody_else(
    tenant: Tenant, settings: Any
) -> None:
    make_staff("mia"), make_staff("noa")
    clients = {}
    for name, there in (("mia", "desk"), ("mia", "lost phone"), ("noa", "desk")):
        clients[name, there] = visitor(tenant)
        log_in(clients[name, there], name)
        assert clients[name, there].get("/admin/catalog/item/").status_code == 200
    mia = StaffUser.objects.get(username="mia")
    TOTPDevice.objects.create(user=mia, confirmed=True)
    chosen = {"action": "reset_second_factor", "_selected_action": [mia.pk]}
    administrator = sign_in(tenant)
    administrator.post(page_of(StaffUser, "changelist"), chosen)
    for there in ("desk", "lost phone"):
        answer = clients["mia", there].get("/admin/catalog/item/")
        assert answer["Location"].startswith(LOG_IN), there
    assert clients["noa", "desk"].get("/admin/catalog/item/").status_code == 200
    assert administrator.get("/admin/catalog/item/").status_code == 200
    log_in(again := visitor(tenant), "mia")
    assert again.get("/admin/catalog/item/").status_code == 200


def test_a_visitor_is_led_to_the_log_in(tenant: Tenant) -> None:
    assert visitor(tenant).get(SECOND)["Location"].startswith(LOG_IN)


def test_pages_and_answers_say_what_a_browser_may_do(tenant: Tenant) -> None:
    page = visitor(tenant).get(LOG_IN)
    policy = page["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    for part in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert part in policy
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["X-Frame-Options"] == "DENY"
    assert page["Referrer-Policy"] == "same-origin"
    assert "camera=()" in page["Permissions-Policy"]

    docs = visitor(tenant).get("/api/docs/")["Content-Security-Policy"]
    assert "script-src 'self';" in f"{docs};"
    assert "unsafe-eval" not in docs
    answer = visitor(tenant).get("/api/v1/recommendations?placement=home")
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_answers_that_come_before_a_tenant_is_known_say_it_as_well(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers() -> list[Any]:
        preflight = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
        client = visitor(tenant)
        client.raise_request_exception = False
        return [
            client.get("/", headers={"Host": "nobodys.localhost"}),
            client.get("/", headers={"Host": "not a host"}),
            client.get("/nothing"),
            client.get("/static/nothing.js"),
            client.get("/admin/nothing/"),
            client.post("/admin/login/", {}),
            client.options("/api/v1/events", headers=preflight),
        ]

    def fail(_host: str) -> None:
        raise RuntimeError

    said = answers()
    monkeypatch.setattr("tenants.middleware.find_tenant", fail)
    broken = answers()[:1]
    assert broken[0].status_code == 500
    for answer in (*said, *broken):
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"
