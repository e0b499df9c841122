"""The queue of shoppers' requests, as a privacy officer works it in the admin."""

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from profiles.certificates import verify
from profiles.consent import consents_of, record_consent
from profiles.identity import ShopperRef, ensure_shoppers
from profiles.ingest import record_events
from profiles.models import EventKind, PrivacyRequest, Purpose, Shopper
from profiles.requests import open_request, run_waiting
from tenants.audit_models import AuditEntry
from tenants.models import StaffUser, Tenant
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.staff import PASSWORD, Browser, page_of, text_of, visitor

SUBMITTED = {"_form_submitted": "on"}
Kind = PrivacyRequest.Kind


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.PRIVACY_DIR = tmp_path / "privacy"


@pytest.fixture
def officer(tenant: Tenant) -> Browser:
    return of_role(tenant, "privacy_officer")


def of_role(tenant: Tenant, role: str) -> Browser:
    user = StaffUser.objects.create_user(role, None, PASSWORD, is_staff=True, role=role)
    client = visitor(tenant)
    client.force_login(user)
    return client


def write_down(officer: Browser, kind: str, **said: Any) -> PrivacyRequest:
    """What the officer types into the form of a new request."""
    at = timezone.localtime(timezone.now())
    fields = {
        "kind": kind, "named_by": "known", "named": "ann", "note": "By letter",
        "received_at_0": f"{at:%Y-%m-%d}", "received_at_1": f"{at:%H:%M:%S}", **said,
    }  # fmt: skip
    before = set(PrivacyRequest.objects.values_list("pk", flat=True))
    answer = officer.post(page_of(PrivacyRequest, "add"), fields)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    return PrivacyRequest.objects.exclude(pk__in=before).get()


def press(officer: Browser, request: PrivacyRequest, button: str, **said: str) -> PrivacyRequest:
    address = f"/admin/profiles/privacyrequest/{request.pk}/{button}/"
    assert officer.post(address, {**SUBMITTED, **said}).status_code == 200
    request.refresh_from_db()
    return request


def decide(officer: Browser, request: PrivacyRequest) -> PrivacyRequest:
    """Checked, approved, and run by a worker."""
    press(officer, request, "check-identity", how="Answered from the address on file")
    press(officer, request, "approve")
    assert request.status == "approved"
    assert run_waiting() == 1
    request.refresh_from_db()
    return request


def trail(request: PrivacyRequest) -> list[tuple[str, str, str]]:
    """Who did what to a request, and where it came to."""
    entries = AuditEntry.objects.filter(object_id=str(request.pk)).order_by("number")
    return [(e.actor, e.verb, e.after.get("status", "")) for e in entries]


def test_an_erasure_goes_from_a_letter_to_a_certificate(officer: Browser) -> None:
    shopper = make_shopper("ann")
    make_event(shopper, make_item("A"), EventKind.PURCHASE)
    request = write_down(officer, "erasure")
    page = text_of(officer.get(page_of(request)))
    assert "make sure that the shopper asks" in page
    press(officer, request, "approve")
    assert request.status == "received", "not before the check of who asks"

    decide(officer, request)
    page = text_of(officer.get(page_of(request)))
    assert (request.status, request.named) == ("done", "")
    assert "Erased" in page
    assert "trained neighbors" in page

    answer = officer.get(f"/admin/profiles/privacyrequest/{request.pk}/certificate/")
    assert answer["Content-Type"] == "application/json"
    assert verify(answer.content).certificate["request"] == str(request.pk)
    told = trail(request)
    assert [entry for entry in told if entry[1] not in {"viewed", "ran"}] == [
        ("privacy_officer", "added", ""),
        ("privacy_officer", "changed", "checked"),
        ("privacy_officer", "changed", "approved"),
        (told[-3][0], "changed", "running"),
        (told[-3][0], "changed", "done"),
        ("privacy_officer", "exported", ""),
    ]
    assert told.count(("privacy_officer", "viewed", "")) == 2, "reading is an entry"
    assert "'ann'" not in str(list(AuditEntry.objects.values("label", "before", "after")))


def test_an_answer_to_access_is_downloaded_as_a_page_and_as_json(officer: Browser) -> None:
    make_event(make_shopper("ann"), make_item("A", title="Oak table"), EventKind.PURCHASE)
    request = write_down(officer, "access")
    address = f"/admin/profiles/privacyrequest/{request.pk}/export/"
    assert officer.get(address).status_code == 404, "not before it is approved"
    decide(officer, request)
    answer = officer.get(address)
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    stores = {s["store"]: s["rows"] for s in json.loads(archive.read("data.json"))["stores"]}
    assert [row["kind"] for row in stores["events"]] == ["purchase"]
    assert archive.namelist() == ["index.html", "data.json"]
    entry = AuditEntry.objects.latest("number")
    assert (entry.verb, entry.kind, entry.actor) == (
        "exported", "profiles.shopper", "privacy_officer",
    )  # fmt: skip
    assert officer.get(page_of(request)).context["stores_done"] == request.steps.count()


def test_a_rectification_is_typed_as_lines_and_sets_what_was_wrong(officer: Browser) -> None:
    shopper = make_shopper("ann")
    shopper.traits = {"name": "Anne", "tier": "gold", "age": 30}
    shopper.save()
    request = write_down(
        officer, "rectification", traits="name: Ann\nage: 31\n\ntier:", preferences="color: red"
    )
    decide(officer, request)
    shopper.refresh_from_db()
    assert shopper.traits == {"name": "Ann", "age": 31}
    assert shopper.preferences == {"color": "red"}


def test_a_form_that_makes_no_sense_is_refused_field_by_field(officer: Browser) -> None:
    def errors(**said: str) -> set[str]:
        fields = {"named_by": "known", "named": "ann", "received_at_0": "2026-01-01",
                  "received_at_1": "00:00:00", **said}  # fmt: skip
        answer = officer.post(page_of(PrivacyRequest, "add"), fields)
        assert answer.status_code == 200
        return set(answer.context["adminform"].form.errors)

    assert errors(kind="rectification") == {"traits"}
    assert errors(kind="rectification", traits="no colon") == {"traits"}
    assert errors(kind="rectification", traits=f"{'n' * 51}: x") == {"traits"}
    assert errors(kind="erasure", preferences="color: red") == {"preferences"}
    assert errors(kind="erasure", purposes="marketing") == {"purposes"}
    assert errors(kind="erasure", named=" ") == {"named"}
    assert errors(kind="forgiveness") == {"kind"}
    assert errors(kind="access", received_at_0="2099-01-01") == {"received_at"}
    assert not PrivacyRequest.objects.exists()


def test_an_objection_ends_the_purposes_that_it_names(officer: Browser) -> None:
    shopper = make_shopper("ann")
    record_consent(shopper, Purpose.MARKETING, granted=True, source="banner")
    decide(officer, write_down(officer, "objection", purposes="marketing"))
    consents = consents_of(shopper)
    assert (consents["marketing"], consents["personalization"]) == (False, True)
    decide(officer, write_down(officer, "objection"))
    assert not any(consents_of(shopper).values()), "all, if none is named"


def test_a_restriction_holds_until_an_officer_lifts_it(officer: Browser, api: ApiClient) -> None:
    shopper = make_shopper("ann")
    make_event(shopper, make_item("A"), EventKind.PURCHASE)
    request = decide(officer, write_down(officer, "restriction"))
    grant = {"personalization": True, "source": "banner"}
    refused = api.put("/api/v1/shoppers/ann/consents", grant)
    assert (refused.status_code, refused.json()["code"]) == (409, "restricted_shopper")
    record_consent(shopper, Purpose.RESEARCH, granted=True, source="import")
    assert not any(consents_of(shopper).values())
    withdrawn = {"personalization": False, "source": "banner"}
    assert api.put("/api/v1/shoppers/ann/consents", withdrawn).status_code == 200

    press(officer, request, "lift")
    assert not any(consents_of(shopper).values()), "lifting grants nothing"
    assert api.put("/api/v1/shoppers/ann/consents", grant).json()["consents"]["personalization"]
    press(officer, request, "lift")
    assert text_of(officer.get(page_of(request))).count("No restriction of this request") == 1


def test_a_restricted_device_stays_restricted_when_it_becomes_known(
    officer: Browser, tenant: Tenant
) -> None:
    record_events([{"kind": "search", "anonymous": "phone", "query": "socks"}])
    make_shopper("ann")
    request = write_down(officer, "restriction", named="phone", named_by="anonymous")
    decide(officer, request)
    ensure_shoppers([ShopperRef("ann", "phone")])
    ann = Shopper.objects.get(external_id="ann")
    assert ann.restricted_at is not None
    assert not any(consents_of(ann).values())


def test_what_repeats_an_open_request_is_found_by_any_id_of_the_shopper(
    officer: Browser,
) -> None:
    make_shopper("ann")
    record_events([{"kind": "search", "shopper": "ann", "anonymous": "phone", "query": "x"}])
    first = write_down(officer, "erasure")
    again = write_down(officer, "erasure", named="phone", named_by="anonymous")
    other = write_down(officer, "access")
    assert (again.duplicate_of, other.duplicate_of) == (first, None)
    press(officer, again, "check-identity", how="By phone")
    press(officer, again, "approve")
    assert again.status == "checked", "not while the first is open"
    press(officer, again, "deny", reason="A repetition")
    assert (again.status, again.reason) == ("denied", "A repetition")
    page = text_of(officer.get(page_of(other)))
    assert str(first) in page
    assert str(again) in page
    found = text_of(officer.get(page_of(PrivacyRequest, "changelist"), {"q": "phone"}))
    assert all(str(each) in found for each in (first, again, other))
    by_number = officer.get(page_of(PrivacyRequest, "changelist"), {"q": str(other.pk)[:8]})
    assert [row.pk for row in by_number.context["cl"].result_list] == [other.pk]

    decide(officer, first)
    again.refresh_from_db()
    other.refresh_from_db()
    assert (again.named, again.reason) == ("", ""), "an erasure wipes the others, too"
    assert (other.named, other.status) == ("", "denied")


def test_the_queue_shows_what_is_overdue_first_and_marked(officer: Browser) -> None:
    now = timezone.now()
    asked = {
        name: open_request(Kind.ACCESS, name, received_at=now - timedelta(days=days))
        for name, days in (("fresh", 0), ("late", 33), ("pressing", 27))
    }
    listed = officer.get(page_of(PrivacyRequest, "changelist"))
    rows = [row.named for row in listed.context["cl"].result_list]
    assert rows == ["late", "pressing", "fresh"]
    page = text_of(listed)
    assert "Overdue by 3 days" in page
    assert "Due in 2 days" in page
    assert "Due in 29 days" in page
    overdue = officer.get(page_of(PrivacyRequest, "changelist"), {"due": "overdue"})
    assert [row.named for row in overdue.context["cl"].result_list] == ["late"]

    press(officer, asked["late"], "extend", reason="Many stores")
    assert asked["late"].due_at - asked["late"].received_at == timedelta(days=90)
    press(officer, asked["late"], "extend", reason="Still many")
    assert asked["late"].extended == "Many stores", "once"


def test_a_request_about_nobody_is_answered_so(officer: Browser) -> None:
    request = decide(officer, write_down(officer, "access", named="nobody"))
    assert "no shopper with this id" in text_of(officer.get(page_of(request)))


def test_nobody_but_privacy_officers_and_administrators_reads_or_decides(
    tenant: Tenant, officer: Browser
) -> None:
    request = write_down(officer, "access")
    for role in ("merchandiser", "analyst"):
        other = of_role(tenant, role)
        assert other.get(page_of(PrivacyRequest, "changelist")).status_code == 403
        assert other.get(page_of(request)).status_code == 403
        for button in ("check-identity", "approve", "deny", "extend", "lift"):
            address = f"/admin/profiles/privacyrequest/{request.pk}/{button}/"
            assert other.post(address, {**SUBMITTED, "how": "x"}).status_code == 403
        assert "privacyrequest" not in text_of(other.get("/admin/"))
    request.refresh_from_db()
    assert request.status == "received"
    assert officer.post(page_of(request), {"kind": "erasure"}).status_code == 403
    assert officer.get(page_of(request, "delete")).status_code == 403
    shown = officer.get(f"/admin/profiles/privacyrequest/{request.pk}/progress/")
    assert "ann" not in text_of(shown)
    assert officer.get("/admin/profiles/privacyrequest/1/progress/").status_code == 404


def test_the_list_costs_the_same_whatever_its_length(
    officer: Browser, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        open_request(Kind.ACCESS, f"s-{number}")
    # Session, user, tenant's settings, the estimate, the rows, their steps, and the audit entry.
    with django_assert_max_num_queries(20):
        officer.get(page_of(PrivacyRequest, "changelist"))
