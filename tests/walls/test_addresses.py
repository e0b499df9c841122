"""Every registered address, driven by one tenant with what belongs to the other."""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.test.utils import CaptureQueriesContext
from django_tenants.utils import schema_context

from catalog.models import Item
from profiles.models import Event, EventKind, Shopper
from recommendations.models import MerchandisingRule
from tenants.connection import connection
from tests.make import make_event
from tests.staff import sign_in
from tests.walls.addresses import Address, api_operations, every_address
from tests.walls.planting import Planted, tenant_models
from tests.walls.probes import count_probe
from tests.walls.tables import fingerprint

Pair = tuple[Planted, Planted]
Sent = dict[str, Any]


def feed(planted: Planted) -> Sent:
    content = f"id,title,price\n{planted.item},Renamed by us,1 EUR\n".encode()
    fields = {"file": SimpleUploadedFile("feed.csv", content), "format": "csv", "full": "true"}
    return {"data": encode_multipart(BOUNDARY, fields), "content_type": MULTIPART_CONTENT}


def sends(body: Any) -> Sent:
    return {"data": json.dumps(body), "content_type": "application/json"}


CALLS: dict[tuple[str, str], Callable[[Planted], Sent]] = {
    ("POST", "api/v1/items"): lambda about: sends(
        {"items": [{"item": about.item, "title": "Renamed by us", "price": 1}]}
    ),
    ("GET", "api/v1/items/<path:item>"): lambda _: {},
    ("GET", "api/v1/items/<path:item>/quality"): lambda _: {},
    ("POST", "api/v1/reviews"): lambda about: sends(
        {"reviews": [{"item": about.item, "rating": 1, "text": "By us"}]}
    ),
    ("GET", "api/v1/catalog/quality"): lambda about: {
        "QUERY_STRING": f"category={about.marker}"
    },
    ("GET", "api/v1/catalog/quality/items"): lambda about: {
        "QUERY_STRING": f"category={about.marker}"
    },
    ("PATCH", "api/v1/offers"): lambda about: sends(
        {"offers": [{"item": about.item, "price": 1, "stock": 7, "available": True}]}
    ),
    ("POST", "api/v1/feeds"): feed,
    ("GET", "api/v1/feeds/<int:feed_import>"): lambda _: {},
    ("GET", "api/v1/feeds/<int:feed_import>/errors"): lambda _: {},
    ("POST", "api/v1/events"): lambda about: sends(
        {
            "events": [
                {"kind": "view", "shopper": about.shopper, "item": about.item,
                 "decision": about.decision, "idempotency_key": f"{about.marker}-key"},
                {"kind": "search", "shopper": about.shopper, "anonymous": f"{about.marker}-device",
                 "query": "socks", "session": f"{about.marker}-session"},
            ]
        }
    ),
    ("GET", "api/v1/shoppers/<str:shopper>"): lambda _: {},
    ("PUT", "api/v1/shoppers/<str:shopper>"): lambda _: sends({"preferences": {"color": "red"}}),
    ("GET", "api/v1/shoppers/<str:shopper>/consents"): lambda _: {},
    ("PUT", "api/v1/shoppers/<str:shopper>/consents"): lambda _: sends(
        {"personalization": False, "analytics": True, "source": "account"}
    ),
    ("POST", "api/v1/shoppers/<str:shopper>/mutes"): lambda _: sends({"kind": "view"}),
    ("DELETE", "api/v1/shoppers/<str:shopper>/mutes"): lambda _: sends({"kind": "view"}),
    ("GET", "api/v1/shoppers/<str:shopper>/signals"): lambda _: {},
    ("DELETE", "api/v1/shoppers/<str:shopper>"): lambda _: {},
    ("GET", "api/v1/shoppers/<str:shopper>/export"): lambda _: {},
    ("GET", "api/v1/privacy/requests/<uuid:privacy_request>"): lambda _: {},
    ("GET", "api/v1/privacy/key"): lambda _: {},
    ("GET", "api/v1/recommendations"): lambda about: {
        "QUERY_STRING": f"placement={about.marker}-home&shopper={about.shopper}"
    },
    ("GET", "api/v1/recommendations/<uuid:decision>/why"): lambda _: {},
    ("GET", "api/v1/search"): lambda about: {
        "QUERY_STRING": f"q={about.marker}&shopper={about.shopper}&filter=-color:{about.marker}"
    },
    ("GET", "api/v1/search/suggestions"): lambda about: {"QUERY_STRING": f"q={about.marker}"},
    ("POST", "api/v1/rules/simulate"): lambda about: sends(
        {"placement": f"{about.marker}-home", "shopper": about.shopper,
         "adding": [about.row(MerchandisingRule).pk]}
    ),
}  # fmt: skip
"""How each operation of the API is called about one tenant's rows."""


def test_every_operation_of_the_api_has_a_call_here() -> None:
    assert CALLS.keys() == api_operations(), "Say in CALLS how the new operation is called."


def test_every_model_has_a_row_in_both_tenants(planted: Pair) -> None:
    for one in planted:
        with schema_context(one.tenant.schema_name):
            empty = [m._meta.label for m in tenant_models() if not m._base_manager.exists()]
        assert empty == [], "Plant a row of it in tests/walls/planting.py."


def call(
    key: str | None,
    host: str,
    operation: tuple[str, str],
    about: Planted,
    *,
    path: str | None = None,
    more: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Status and text of one call of the API; `more` are headers."""
    count_probe()
    method, route = operation
    address = next(a for a in every_address() if a.route == route)
    sent = {"content_type": "application/json", **CALLS[operation](about)}
    headers = (
        {"Host": host} | ({"Authorization": f"Bearer {key}"} if key else {}) | dict(more or {})
    )
    with contained(), schema_context(connection.schema_name):
        client = Client(raise_request_exception=False)
        response = client.generic(
            method, path or address.about(about), sent.pop("data", ""), headers=headers, **sent
        )
        return response.status_code, told_by(response)


@contextmanager
def contained() -> Iterator[None]:
    """A savepoint around a request, so that a failed statement in it ends nothing else."""
    with transaction.atomic():
        yield
        if connection.needs_rollback:
            transaction.set_rollback(True)


def told_by(response: Any) -> str:
    """All that a response says, headers too."""
    if isinstance(response, StreamingHttpResponse):
        body = b"".join(response.streaming_content)  # type: ignore[arg-type]
    else:
        body = response.content
    return f"{dict(response.items())}\n{body.decode(errors='replace')}"


@pytest.mark.parametrize("operation", sorted(CALLS))
def test_another_tenants_key_opens_nothing(planted: Pair, operation: tuple[str, str]) -> None:
    ours, theirs = planted
    before = [fingerprint(p.tenant.schema_name) for p in planted]
    # The key was used at its own host just now, so it lies in the cache.
    assert call(theirs.key, theirs.host, ("GET", "api/v1/recommendations"), theirs)[0] == 200
    for host, key in ((ours.host, theirs.key), (theirs.host, ours.key)):
        for about in planted:
            with CaptureQueriesContext(connection) as queries:
                status, text = call(key, host, operation, about)
            assert (status, '"invalid_key"' in text) == (401, True), text
            read = [query["sql"] for query in queries if "FROM" in query["sql"]]
            assert all("tenants_apikey" in sql or "tenants_domain" in sql for sql in read), read
    status, text = call(None, ours.host, operation, ours)
    assert (status, '"not_authenticated"' in text) == (401, True)
    after = [fingerprint(p.tenant.schema_name) for p in planted]
    assert [a.differs_in(b) for a, b in zip(after, before, strict=True)] == [
        set(), {"tenants_apikey"},
    ], "the one change is when their key was last used, at their own host"  # fmt: skip


@pytest.mark.parametrize("operation", sorted(CALLS))
def test_another_tenants_ids_mean_nothing_here(planted: Pair, operation: tuple[str, str]) -> None:
    ours, theirs = planted
    before = fingerprint(theirs.tenant.schema_name)
    status, text = call(ours.key, ours.host, operation, ours)
    assert status in {200, 202}, f"with our own ids it works: {text}"

    status, text = call(ours.key, ours.host, operation, theirs)
    expected = {
        ("POST", "api/v1/items"): 200,  # an item of our own comes to be, by that id
        ("PATCH", "api/v1/offers"): 200,  # refused: we have no such item, or it is our own by now
        ("POST", "api/v1/reviews"): 200,  # one refused (unknown item)
        ("GET", "api/v1/catalog/quality"): 200,  # of a category that we do not have
        ("GET", "api/v1/catalog/quality/items"): 200,
        ("POST", "api/v1/feeds"): 202,  # an item of our own comes to be, by that id
        ("POST", "api/v1/events"): 200,  # one refused (unknown item), one by a shopper of our own
        ("PUT", "api/v1/shoppers/<str:shopper>"): 200,  # a shopper of our own comes to be
        ("PUT", "api/v1/shoppers/<str:shopper>/consents"): 200,
        ("POST", "api/v1/shoppers/<str:shopper>/mutes"): 200,
        ("GET", "api/v1/privacy/key"): 200,  # our own
        ("GET", "api/v1/recommendations"): 400,  # unknown placement
        ("POST", "api/v1/rules/simulate"): 400,
        ("GET", "api/v1/search"): 200,  # nothing is found
        ("GET", "api/v1/search/suggestions"): 200,  # nothing is suggested
    }
    assert status == expected.get(operation, 404), text
    assert without(text, theirs).count(theirs.marker) == 0, text
    if operation == ("POST", "api/v1/events"):
        assert '"unknown_item"' in text
    if operation == ("PUT", "api/v1/shoppers/<str:shopper>"):
        assert '"traits":{}' in text
    assert fingerprint(theirs.tenant.schema_name).differs_in(before) == set()


def without(text: str, planted: Planted) -> str:
    """The text without the ids that were sent: an answer may repeat those."""
    for sent in (planted.shopper, planted.item, planted.decision, f"{planted.marker}-home"):
        text = text.replace(sent, "")
    # A search says what it searched for.
    return re.sub(rf'"(query|searched)":"{planted.marker}"', "", text)


def test_a_slate_knows_only_the_tenants_own_items(planted: Pair) -> None:
    ours, theirs = planted
    for one, other in (planted, planted[::-1]):
        with schema_context(one.tenant.schema_name):
            make_event(one.row(Shopper), one.row(Item), EventKind.VIEW)
        status, text = call(one.key, one.host, ("GET", "api/v1/recommendations"), one)
        assert status == 200
        assert one.marker in text
        assert other.marker not in text
    for path in (
        f"placement=item&item={theirs.item}",
        f"placement=cart&items={ours.item},{theirs.item}",
    ):
        response = Client().get(
            f"/api/v1/recommendations?{path}",
            headers={"Host": ours.host, "Authorization": f"Bearer {ours.key}"},
        )
        assert (response.status_code, response.json()["code"]) == (400, "unknown_item")


def test_no_page_shows_what_belongs_to_the_other_tenant(
    planted: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """Every address that is not the API's, read and written by our own superuser."""
    ours, theirs = planted
    caplog.set_level(logging.DEBUG)
    staff = sign_in(ours.tenant, "boss")
    their_staff = sign_in(theirs.tenant, "their-boss")
    stolen = their_staff.cookies["sessionid"].value
    before = fingerprint(theirs.tenant.schema_name)
    caplog.clear()
    addresses = [address for address in every_address() if not address.is_api]
    assert len(addresses) > 100
    seen: dict[str, tuple[int, str]] = {}
    for method in ("GET", "POST"):
        for address in addresses:
            if method == "POST" and address.route == "admin/logout/":
                continue
            for about in (ours, theirs):
                status, text = browse(staff, method, address, about)
                name = f"{method} {address.about(about)}"
                assert status < 500, f"{name}: {text[:500]}"
                assert theirs.marker not in without(text, theirs), name
                if about is theirs and address.names_a_row and method == "GET":
                    assert status in {302, 403, 404, 405} or anonymized(text) == anonymized(
                        browse(staff, method, address, about, path=nobodys(address.about(about)))[1]
                    ), f"{name}: {status}"
                seen[name] = (status, text)
    shown = [name for name, (status, text) in seen.items() if status == 200 and ours.marker in text]
    assert len(shown) > 50, "our own rows are shown where they should be"
    assert fingerprint(theirs.tenant.schema_name).differs_in(before) == set()

    thief = Client(headers={"Host": ours.host})
    thief.cookies["sessionid"] = stolen
    with schema_context(connection.schema_name):
        response = thief.get("/admin/catalog/item/")
    assert response.status_code == 302
    assert "/admin/login/" in response["Location"]

    said = [record.getMessage() for record in caplog.records]
    assert not [line for line in said if theirs.marker in without(line, theirs)]


def nobodys(text: str) -> str:
    """The same with a number that no tenant has, for each number of theirs."""
    return re.sub(r"\b7000\d\d\b", "799999", text)


def anonymized(text: str) -> str:
    """Without such numbers, and without the tokens and clock times new in every answer."""
    return re.sub(r"[A-Za-z0-9]{32,64}|\d\d:\d\d(:\d\d)?", "", nobodys(text))


def browse(
    client: Client, method: str, address: Address, about: Planted, *, path: str | None = None
) -> tuple[int, str]:
    with contained():
        response = client.generic(
            method,
            path or address.about(about),
            "",
            content_type="application/x-www-form-urlencoded",
        )
        with schema_context("public"):
            return response.status_code, told_by(response)


def test_hosts_of_nobody_get_nothing(planted: Pair) -> None:
    ours, _ = planted
    for host in ("nobody.localhost", "ours.localhost.evil.example", "evil.example", "[::1]", "?"):
        for address in every_address():
            response = Client().get(
                address.about(ours), headers={"Host": host, "Authorization": f"Bearer {ours.key}"}
            )
            assert response.status_code == 404, (host, address)
            assert response.json()["code"] == "unknown_host"


def test_the_platforms_own_host_has_no_tenants_addresses(planted: Pair) -> None:
    ours, _ = planted
    own = {address.route for address in every_address("config.urls_public")}
    assert own == {"healthz", "metrics"}
    for address in every_address():
        response = Client().get(
            address.about(ours),
            headers={"Host": "localhost", "Authorization": f"Bearer {ours.key}"},
        )
        assert response.status_code == (200 if address.route in own else 404), address
        assert ours.marker not in told_by(response)


def test_events_about_another_tenants_slate_are_kept_here_and_lead_nowhere(planted: Pair) -> None:
    ours, theirs = planted
    body = {"kind": "view", "shopper": ours.shopper, "item": ours.item, "decision": theirs.decision}
    response = Client().post(
        "/api/v1/events",
        json.dumps({"events": [body]}),
        content_type="application/json",
        headers={"Host": ours.host, "Authorization": f"Bearer {ours.key}"},
    )
    assert response.json()["stored"] == 1
    with schema_context(ours.tenant.schema_name):
        assert Event.stored.filter(decision_id=theirs.decision).count() == 1
    status, _ = call(
        ours.key, ours.host, ("GET", "api/v1/recommendations/<uuid:decision>/why"), theirs
    )
    assert status == 404
