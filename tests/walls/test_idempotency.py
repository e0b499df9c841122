"""A write that is sent again: one effect, one answer, and nothing of anybody else's."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as django_connection
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.utils import timezone
from django_tenants.utils import schema_context

from catalog.models import FeedImport, Review
from profiles import tasks
from profiles.consent import consents_of
from profiles.identity import get_shopper
from profiles.models import Event, Purpose
from tenants import idempotency
from tenants.browser_keys import sign_token, token_secret
from tenants.idempotency import HEADER, REPLAYED
from tenants.kept_answers import KEPT_FOR
from tenants.keys import mint_key
from tenants.models import BROWSER_SCOPES, KeptAnswer, Tenant
from tenants.tasks import forget_kept_answers
from tests.conftest import ApiClient, TenantPair
from tests.make import make_item, make_shopper
from tests.threads import at_once
from tests.walls.addresses import every_address

TIMES = 50
WRITES = {"POST", "PUT", "PATCH", "DELETE"}


def send(api: ApiClient, method: str, path: str, body: Any, name: str, **headers: str) -> Any:
    return api.request(method, f"/api/v1/{path}", body, headers={HEADER: name, **headers})


def view(shopper: str = "s-1") -> dict[str, Any]:
    return {"events": [{"kind": "search", "shopper": shopper, "query": "socks"}]}


def test_every_operation_that_writes_takes_a_name() -> None:
    without = {
        (method, address.route)
        for address in every_address()
        if address.is_api
        for method in WRITES & set(address.methods)
        if not getattr(getattr(address.view.cls, method.lower()), "is_idempotent", False)
    }
    assert without == {("POST", "api/v1/rules/simulate")}, "it reads, and logs nothing"


def test_the_same_request_at_once_has_one_effect_and_one_answer(committed: TenantPair) -> None:
    _, key = mint_key("tests")
    make_item("A")
    headers = {"Host": "here.localhost", "Authorization": f"Bearer {key}", HEADER: "one"}

    def post() -> tuple[int, bytes, bool]:
        with schema_context("here"):
            answer = Client().post(
                "/api/v1/events",
                json.dumps(view()),
                content_type="application/json",
                headers=headers,
            )
        return answer.status_code, answer.content, REPLAYED in answer

    answers = at_once(*[post] * TIMES)
    assert {(status, content) for status, content, _ in answers} == {(200, answers[0][1])}
    assert sum(replayed for *_, replayed in answers) == TIMES - 1
    assert Event.stored.count() == 1
    headers[HEADER] = "another"
    assert post()[2] is False
    assert Event.stored.count() == 2, "the event has no key of its own"


def test_another_request_by_the_same_name_is_refused(api: ApiClient) -> None:
    first = send(api, "POST", "events", view(), "one")
    assert (first.status_code, REPLAYED in first) == (200, False)
    again = send(api, "POST", "events", view(), "one")
    assert (again.status_code, again[REPLAYED], again.content) == (200, "true", first.content)
    for method, path, body in (
        ("POST", "events", view("s-2")),
        ("POST", "events?more=1", view()),
        ("PUT", "shoppers/s-1", view()),
    ):
        other = send(api, method, path, body, "one")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert Event.stored.count() == 1


def test_a_late_repetition_does_not_undo_what_came_after(api: ApiClient) -> None:
    grant = {"personalization": True, "source": "account"}
    withdraw = {"personalization": False, "source": "account"}
    for name, choice in (("grant", grant), ("withdraw", withdraw), ("grant", grant)):
        assert send(api, "PUT", "shoppers/s-1/consents", choice, name).status_code == 200
    assert consents_of(get_shopper("s-1"))[Purpose.PERSONALIZATION] is False
    assert api.put("/api/v1/shoppers/s-1/consents", grant).status_code == 200
    assert consents_of(get_shopper("s-1"))[Purpose.PERSONALIZATION] is True


def test_a_refused_request_keeps_nothing_and_may_be_mended(api: ApiClient) -> None:
    make_item("A")
    broken = send(api, "POST", "reviews", "{", "one")
    assert (broken.status_code, broken.json()["code"]) == (400, "invalid_json")
    mended = send(api, "POST", "reviews", {"reviews": [{"item": "A", "rating": 5}]}, "one")
    assert (mended.status_code, REPLAYED in mended) == (200, False)
    assert Review.objects.count() == 1


@pytest.mark.parametrize("name", ["", " ", "with space", "x" * 256, "ümlaut", "tab\t"])
def test_what_is_no_name_is_refused(api: ApiClient, name: str) -> None:
    answer = send(api, "POST", "events", view(), name)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")
    assert not Event.stored.exists()


def test_a_name_is_of_one_key_and_one_tenant(
    api: ApiClient, tenants: TenantPair, client_of: Callable[[Tenant], ApiClient]
) -> None:
    theirs = client_of(tenants.theirs)
    ours_again = ApiClient(api.tenant, mint_key("second")[1], api.host)
    for each in (api, ours_again, theirs):
        assert REPLAYED not in send(each, "POST", "events", view(), "one")
    for each in (api, ours_again, theirs):
        assert REPLAYED in send(each, "POST", "events", view(), "one")
    assert Event.stored.count() == 2
    with schema_context("theirs"):
        assert Event.stored.count() == 1


def test_shoppers_who_share_a_browsers_key_do_not_meet_in_a_name(api: ApiClient) -> None:
    key, text = mint_key("pages", origins=["https://shop.example"], scopes=BROWSER_SCOPES)
    page = ApiClient(api.tenant, text, api.host)
    body = {"events": [{"kind": "search", "query": "socks"}]}
    for shopper in ("s-1", "s-2"):
        token = sign_token(token_secret(key), 1, known=shopper)
        sent = {"Origin": "https://shop.example", "X-Shopper-Token": token}
        assert REPLAYED not in send(page, "POST", "events", body, "one", **sent)
        assert REPLAYED in send(page, "POST", "events", body, "one", **sent)
    names = Event.stored.values_list("shopper__external_id", flat=True)
    assert sorted(str(name) for name in names) == ["s-1", "s-2"]


def test_a_form_is_the_same_whatever_its_boundary(api: ApiClient) -> None:
    def upload(content: bytes, boundary: str) -> Any:
        fields = {"file": SimpleUploadedFile("feed.csv", content), "format": "csv"}
        return Client().post(
            "/api/v1/feeds",
            encode_multipart(boundary, fields),
            content_type=MULTIPART_CONTENT.replace(BOUNDARY, boundary),
            headers={"Host": api.host, "Authorization": f"Bearer {api.key}", HEADER: "feed"},
        )

    rows = b"id,title,price\nA,Oak table,1 EUR\n"
    with schema_context("ours"):
        first, again, other = upload(rows, "one"), upload(rows, "two"), upload(rows * 2, "one")
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert first.json() == again.json()
    assert FeedImport.objects.count() == 1
    with FeedImport.objects.get().file.open() as kept:
        assert kept.read() == rows


def test_names_are_free_again_after_a_day(api: ApiClient) -> None:
    assert send(api, "POST", "events", view(), "one").status_code == 200
    KeptAnswer.objects.update(made_at=timezone.now() - KEPT_FOR - timedelta(seconds=1))
    assert REPLAYED not in send(api, "POST", "events", view("s-2"), "one")
    assert Event.stored.count() == 2
    forget_kept_answers("ours")
    assert KeptAnswer.objects.count() == 1
    KeptAnswer.objects.update(made_at=timezone.now() - KEPT_FOR - timedelta(seconds=1))
    forget_kept_answers("ours")
    assert not KeptAnswer.objects.exists()


def test_nothing_that_is_kept_can_be_read_without_the_request(api: ApiClient) -> None:
    body = {"traits": {"size": "Quokka-large"}}
    assert send(api, "PUT", "shoppers/Quokka-7", body, "name-of-Quokka").status_code == 200
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT k::text, encode(k.answer, 'escape') FROM tenants_keptanswer k")
        [(row, answer)] = cursor.fetchall()
    assert len(answer) > 50
    assert "Quokka" not in row + answer


def test_who_was_erased_is_not_told_of_again(api: ApiClient) -> None:
    body = {"traits": {"size": "Quokka-large"}}
    for path in ("shoppers/s-1", "shoppers/s-2"):
        assert send(api, "PUT", path, body, path).status_code == 200
    assert api.request("DELETE", "/api/v1/shoppers/s-1").status_code == 202
    tasks.run_privacy_requests("ours")
    assert KeptAnswer.objects.count() == 1, "the other shopper's"
    again = send(api, "PUT", "shoppers/s-1", body, "shoppers/s-1")
    assert (again.status_code, again.json()["code"]) == (409, "erased_shopper")
    assert send(api, "PUT", "shoppers/s-2", body, "shoppers/s-2")[REPLAYED] == "true"


# -- What breaks in between -----------------------------------------------------------------------


class Crashed(BaseException):
    """The end of a process, as far as a thread can have one."""


@pytest.fixture
def api_here(committed: TenantPair) -> ApiClient:
    _, key = mint_key("tests")
    return ApiClient(committed.ours, key, "here.localhost", Client(raise_request_exception=True))


def test_a_request_that_dies_leaves_neither_effect_nor_lock(
    api_here: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shopper("s-1")

    def die(*_: object) -> None:
        assert KeptAnswer.objects.count() == 1, "the name was taken"
        raise Crashed

    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "_keep", die)  # the effect is made, and not kept yet
        with pytest.raises(Crashed), schema_context("here"):
            send(api_here, "POST", "events", view(), "one")
    django_connection.close()
    assert (KeptAnswer.objects.count(), Event.stored.count()) == (0, 0)
    answer = send(api_here, "POST", "events", view(), "one")
    assert (answer.status_code, REPLAYED in answer, Event.stored.count()) == (200, False, 1)


def test_who_waits_too_long_for_the_first_is_told_so(
    api_here: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "PATIENCE", timedelta(milliseconds=200))
    taken, told = threading.Event(), threading.Event()
    keep = idempotency._keep

    def wait(*kept: Any) -> None:
        taken.set()
        assert told.wait(30)
        keep(*kept)

    def first() -> int:
        with monkeypatch.context() as patch:
            patch.setattr(idempotency, "_keep", wait)
            return int(send(api_here, "POST", "events", view(), "one").status_code)

    def second() -> int:
        assert taken.wait(30)
        try:
            answer = send(api_here, "POST", "events", view(), "one")
        finally:
            told.set()
        assert answer.json()["code"] == "request_in_progress"
        return int(answer.status_code)

    assert at_once(first, second) == [200, 409]
    assert Event.stored.count() == 1
