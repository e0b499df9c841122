"""Access and erasure as a shop's server asks for them."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from pytest_django import Settings

from profiles.models import EventKind, PrivacyRequest, Purpose
from profiles.requests import approve, deny, note_identity_check, open_request, run, run_waiting
from tenants.errors import DomainError
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper

pytestmark = pytest.mark.usefixtures("tenant")

Kind = PrivacyRequest.Kind


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.PRIVACY_DIR = tmp_path / "privacy"


def test_a_shopper_gets_everything_as_a_page_and_as_json(api: ApiClient) -> None:
    shopper = make_shopper("ann")
    make_event(shopper, make_item("A", title="Oak table"), EventKind.PURCHASE)
    response = api.get("/api/v1/shoppers/ann/export")
    assert (response.status_code, response["Content-Type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    data = json.loads(archive.read("data.json"))
    rows = {store["store"]: store["rows"] for store in data["stores"]}
    assert [row["kind"] for row in rows["events"]] == ["purchase"]
    assert rows["events"][0]["item"] == "A"
    assert rows["shopper"][0]["external_id"] == "ann"
    assert "ann" in archive.read("index.html").decode()
    assert api.get("/api/v1/shoppers/bob/export").json()["code"] == "unknown_shopper"
    wrong = api.get("/api/v1/shoppers/ann/export", named_by="name")
    assert wrong.json()["fields"] == {"named_by": "One of known, anonymous."}


def test_a_shopper_is_erased_once_and_may_not_come_back_by_the_same_id(api: ApiClient) -> None:
    make_shopper("ann")
    first = api.request("DELETE", "/api/v1/shoppers/ann")
    assert first.status_code == 202, first.content
    assert api.request("DELETE", "/api/v1/shoppers/ann").json() == first.json()
    run_waiting()
    done = api.get(f"/api/v1/privacy/requests/{first.json()['request']}").json()
    assert (done["status"], {step["remaining"] for step in done["steps"]}) == ("done", {0})
    key = api.get("/api/v1/privacy/key").json()
    assert done["certificate"]["public_key"] == key["public_key"]
    assert api.request("DELETE", "/api/v1/shoppers/ann").status_code == 200
    assert api.get("/api/v1/shoppers/ann").json()["code"] == "unknown_shopper"
    back = api.put("/api/v1/shoppers/ann", {"traits": {"name": "Ann"}})
    assert (back.status_code, back.json()["code"]) == (409, "erased_shopper")
    assert api.request("DELETE", "/api/v1/shoppers/bob").status_code == 404


def test_staff_check_who_asks_before_a_request_is_approved() -> None:
    shopper = make_shopper("ann")
    request = open_request(Kind.RESTRICTION, "ann")
    with pytest.raises(DomainError, match="received"):
        approve(request, by="boss")
    note_identity_check(request, "Answered from the address on file", by="boss")
    again = open_request(Kind.RESTRICTION, "ann")
    assert again.duplicate_of == request
    with pytest.raises(DomainError, match="with a reason"):
        deny(again, " ", by="boss")
    deny(again, "A repetition", by="boss")
    approve(request, by="boss")
    run(request)
    request.refresh_from_db()
    assert request.status == "done"
    assert not shopper.consents.filter(purpose=Purpose.PERSONALIZATION, granted=True).exists()


def test_a_rectification_sets_what_was_wrong() -> None:
    shopper = make_shopper("ann")
    shopper.traits = {"name": "Anne", "tier": "gold"}
    shopper.save()
    request = open_request(
        Kind.RECTIFICATION, "ann", changes={"traits": {"name": "Ann", "tier": ""}}
    )
    note_identity_check(request, "By phone", by="boss")
    approve(request, by="boss")
    assert run_waiting() == 1
    shopper.refresh_from_db()
    assert shopper.traits == {"name": "Ann"}
