"""The admin of staff users and API keys."""

import re
from typing import Any

from tenants.keys import find_key_holder, mint_key
from tenants.models import ApiKey, StaffUser, Tenant
from tests.staff import PASSWORD, Browser, page_of, sign_in, text_of, visitor

NEW_PASSWORD = "another long pass phrase"

LIMITS = {"requests_per_minute": 60, "shopper_requests_per_minute": 60}


def add_key(staff: Browser, *scopes: str) -> str:
    """Mint a key in the admin; its text, as the page after it shows it."""
    response = staff.post(
        page_of(ApiKey, "add"),
        {"name": "storefront", "scopes": list(scopes), **LIMITS},
        follow=True,
    )
    (text,) = re.findall(r"attune_sk_[\w-]{20,}", text_of(response))
    return str(text)


def test_a_new_key_is_shown_once_and_works(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    text = add_key(staff, "events:write", "catalog:read")
    key = ApiKey.objects.get()
    holder = find_key_holder(text)
    assert holder is not None
    assert holder.scopes == {"events:write", "catalog:read"}
    assert holder.requests_per_minute == 60
    for page in (page_of(ApiKey, "changelist"), page_of(key), page_of(key, "history")):
        shown = text_of(staff.get(page))
        assert text not in shown
        assert key.digest not in shown


def test_a_key_without_a_scope_or_with_an_unknown_one_is_refused(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    for scopes in ([], ["everything"]):
        form = {"name": "storefront", "scopes": scopes, **LIMITS}
        assert staff.post(page_of(ApiKey, "add"), form).status_code == 200
    assert not ApiKey.objects.exists()


def test_a_changed_key_has_its_new_scopes_at_once(
    tenant: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    key, text = mint_key("import job")
    assert find_key_holder(text) is not None, "now it is cached"
    form = {"name": "import job", "scopes": ["catalog:write"], **LIMITS, "requests_per_minute": 5}
    with django_capture_on_commit_callbacks(execute=True):
        assert sign_in(tenant).post(page_of(key), form).status_code == 302
    holder = find_key_holder(text)
    assert holder is not None
    assert holder.scopes == {"catalog:write"}


def test_a_revoked_key_is_refused_at_once_and_stays_on_record(tenant: Tenant) -> None:
    key, text = mint_key("old job")
    assert find_key_holder(text) is not None
    staff = sign_in(tenant)
    action = {"action": "revoke_keys", "_selected_action": [key.pk]}
    assert staff.post(page_of(ApiKey, "changelist"), action).status_code == 302
    assert find_key_holder(text) is None
    key.refresh_from_db()
    assert key.revoked
    assert staff.post(page_of(key, "delete"), {"post": "yes"}).status_code == 403
    assert staff.post(page_of(key), {"name": "old job"}).status_code == 403, "its time is over"


def test_staff_change_their_own_password_and_those_of_others(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    own = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert staff.get("/admin/password_change/").status_code == 200
    assert staff.post("/admin/password_change/", own).status_code == 302
    assert StaffUser.objects.get(username="boss").check_password(NEW_PASSWORD)

    sign_in(tenant, "other")
    other = StaffUser.objects.get(username="other")
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
    assert staff.get(page_of(other, "password")).status_code == 200
    assert staff.post(page_of(other, "password"), form).status_code == 302
    credentials = {"username": "other", "password": NEW_PASSWORD}
    assert visitor(tenant).post("/admin/login/", credentials).status_code == 302


def test_a_staff_user_is_added_with_a_password(tenant: Tenant) -> None:
    form = {
        "username": "newcomer",
        "password1": NEW_PASSWORD,
        "password2": NEW_PASSWORD,
        "usable_password": "true",
    }
    assert sign_in(tenant).post(page_of(StaffUser, "add"), form).status_code == 302
    assert StaffUser.objects.get(username="newcomer").check_password(NEW_PASSWORD)


def test_only_a_superuser_changes_or_becomes_one(tenant: Tenant) -> None:
    sign_in(tenant)
    boss = StaffUser.objects.get(username="boss")
    clerk = sign_in(
        tenant, "clerk", permissions=("tenants.view_staffuser", "tenants.change_staffuser")
    )
    password = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
    assert clerk.post(page_of(boss, "password"), password).status_code == 403
    assert clerk.post(page_of(boss), {"username": "boss", "email": "x@y.z"}).status_code == 403

    own = StaffUser.objects.get(username="clerk")
    form = {"username": "clerk", "email": "new@example.com", "is_active": "on", "is_staff": "on"}
    assert clerk.post(page_of(own), {**form, "is_superuser": "on"}).status_code == 302
    own.refresh_from_db()
    assert own.email == "new@example.com", "the form was taken"
    assert not own.is_superuser
