"""What no honest client sends: each a clear refusal with a code, nothing lost, never a 5xx."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.models import Event, Shopper
from recommendations.placements import ensure_default_placements
from tenants.keys import mint_key, revoke_key
from tests.conftest import ApiClient
from tests.make import make_item, make_shopper
from tests.walls.tables import fingerprint
from tests.walls.test_addresses import contained

if TYPE_CHECKING:
    from tests.conftest import Response

EVENTS = "/api/v1/events"
SHOPPER = "/api/v1/shoppers/s-1"
CONSENTS = "/api/v1/shoppers/s-1/consents"
ITEMS = "/api/v1/items"
OFFERS = "/api/v1/offers"
BODIES = (
    ("POST", EVENTS), ("PUT", SHOPPER), ("PUT", CONSENTS), ("POST", ITEMS), ("PATCH", OFFERS),
)  # fmt: skip
MILLION = "x" * 1_000_000


def refused(answer: "Response", status: int = 400, code: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.content[:500]
    body: dict[str, Any] = answer.json()
    assert set(body) <= {"code", "detail", "fields"}
    assert body["code"]
    assert body["detail"]
    if code is not None:
        assert body["code"] == code, body
    assert len(answer.content) < 10_000, "what was sent is not sent back"
    return body


@pytest.fixture
def untouched(api: ApiClient) -> Callable[[], bool]:
    """Whether every table is as it was when the test began; keys note their use."""
    make_item("A")
    make_shopper("known")
    ensure_default_placements()
    before = fingerprint("ours")

    def check() -> bool:
        return fingerprint("ours").differs_in(before) <= {"tenants_apikey"}

    return check


NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "cut off": b'{"events": [{"kind": "view"',
    "not quoted": b"{events: []}",
    "a comma too many": b'{"events": [],}',
    "not UTF-8": b'{"source": "\xff\xfe"}',
    "UTF-16": '{"events": []}'.encode("utf-16"),
    "half of a surrogate pair": b'{"source": "\\ud83d"}',
    "the other half": b'{"source": "\\ude00 x"}',
    "a raw NUL": b'{"source": "a\x00b"}',
    "a raw line break in text": b'{"source": "a\nb"}',
    "nested ten thousand deep": b"[" * 10_000 + b"]" * 10_000,
    "objects nested ten thousand deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "two values": b"{} {}",
    "a form": b"kind=view&item=A",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_a_body_that_is_not_json_is_refused(
    api: ApiClient, untouched: Callable[[], bool], body: bytes
) -> None:
    for method, path in BODIES:
        refused(api.request(method, path, body), code="invalid_json")
    assert untouched()


NOT_AN_OBJECT = (b"null", b"[]", b'"text"', b"7", b"true", b"1e999", b"NaN", b"-Infinity")


@pytest.mark.parametrize("body", NOT_AN_OBJECT)
def test_a_body_of_another_type_is_refused(
    api: ApiClient, untouched: Callable[[], bool], body: bytes
) -> None:
    for method, path in BODIES:
        assert refused(api.request(method, path, body))["code"] in {
            "invalid_input", "invalid_json",
        }  # fmt: skip
    assert untouched()


EVENT = {"kind": "purchase", "shopper": "s-1", "item": "A"}
HOSTILE: dict[str, str] = {
    "an escaped NUL": json.dumps("a\x00b"),
    "a million characters": json.dumps(MILLION),
    "a number of five thousand digits": "9" * 5_000,
    "a number of four thousand digits": "9" * 4_000,
    "infinity": "Infinity",
    "minus infinity": "-Infinity",
    "not a number": "NaN",
    "more than a float holds": "1e999",
    "a list": "[]",
    "an object": "{}",
    "a nested object": '{"a": {"b": {"c": [1, 2, {"d": null}]}}}',
    "minus one": "-1",
    "a truth": "true",
    "an empty text": '""',
    "spaces": '"   "',
    "a naive moment": '"2026-05-04T10:00:00"',
    "the year 9999": '"9999-12-31T23:59:59Z"',
    "the year 10000": '"10000-01-01T00:00:00Z"',
    "the year 1": '"0001-01-01T00:00:00+23:59"',
    "thirteen months": '"2026-13-01T00:00:00Z"',
}
FIELDS = (
    "kind", "shopper", "anonymous", "item", "session", "occurred_at", "idempotency_key",
    "decision", "context", "quantity", "value", "currency", "surprise",
)  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_no_value_of_an_event_breaks_the_batch_it_is_in(api: ApiClient, field: str) -> None:
    """Each hostile value in each field, between two good events: those are stored every time."""
    make_item("A")
    good = json.dumps(EVENT)
    stored = 0
    for name, value in HOSTILE.items():
        odd = {key: json.dumps(told) for key, told in EVENT.items()} | {field: value}
        odd_text = "{" + ", ".join(f'"{key}": {told}' for key, told in odd.items()) + "}"
        with contained():
            answer = api.request("POST", EVENTS, f'{{"events": [{good}, {odd_text}, {good}]}}')
            if answer.status_code == 400:
                # A number that no JSON reader takes spoils the body, and nothing of it is stored.
                refused(answer, code="invalid_json")
                continue
            assert answer.status_code == 200, (name, answer.content[:500])
            told = answer.json()["outcomes"]
            assert (told[0]["status"], told[2]["status"]) == ("stored", "stored"), name
            assert told[1]["status"] in {"stored", "refused"}
            if told[1]["status"] == "refused":
                assert told[1]["code"] in {"invalid_event", "unknown_item"}
                assert told[1]["fields"], name
            stored += answer.json()["stored"]
            assert len(answer.content) < 10_000
    assert Event.stored.count() == stored > len(HOSTILE)


@pytest.mark.parametrize("part", ["traits", "preferences"])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_value_of_a_shopper_is_a_fault_of_ours(api: ApiClient, part: str, value: str) -> None:
    for body in (f'{{"{part}": {value}}}', f'{{"{part}": {{"size": {value}}}}}'):
        answer = api.request("PUT", SHOPPER, body)
        if answer.status_code != 200:
            refused(answer)
        else:
            assert api.get(SHOPPER).json()[part] == answer.json()[part]


def test_names_of_traits_are_bounded_like_their_values(api: ApiClient) -> None:
    for name in ("", "k" * 51, MILLION, "a\x00b"):
        if name:
            refused(api.put(SHOPPER, {"traits": {name: 1}}), code="invalid_input")
    refused(api.put(SHOPPER, {"traits": {f"k{n}": n for n in range(101)}}), code="invalid_input")
    assert api.put(SHOPPER, {"traits": {f"k{n}": n for n in range(100)}}).status_code == 200


@pytest.mark.parametrize("purpose", ["personalization", "analytics", "marketing", "language_model"])
def test_no_value_of_a_consent_is_a_fault_of_ours(api: ApiClient, purpose: str) -> None:
    for value in HOSTILE.values():
        for body in (f'{{"{purpose}": {value}, "source": "t"}}', f'{{"source": {value}}}'):
            answer = api.request("PUT", CONSENTS, body)
            if answer.status_code != 200:
                refused(answer)


PATHS = (
    "%00",
    "a%00b",
    "x" * 201,
    MILLION,
    "%20",
    "%ED%A0%80",
    "%ff%fe",
    "..%2f..%2fetc",
    "%F0%9F",
)


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
def test_no_id_in_an_address_is_a_fault_of_ours(api: ApiClient, path: str) -> None:
    for method, address, body in (
        ("GET", f"/api/v1/shoppers/{path}", None),
        ("PUT", f"/api/v1/shoppers/{path}", {}),
        ("PUT", f"/api/v1/shoppers/{path}/consents", {"source": "t"}),
        ("GET", f"/api/v1/feeds/{path}", None),
        ("GET", f"/api/v1/recommendations/{path}/why", None),
    ):
        answer = api.request(method, address, body)
        if answer.status_code != 200:
            assert answer.status_code in {400, 404}, answer.content[:500]
            refused(answer, answer.status_code)


def test_an_id_is_the_same_in_an_address_and_in_a_body(api: ApiClient) -> None:
    make_item("A")
    assert api.put("/api/v1/shoppers/%20s-1%20", {"traits": {"size": "M"}}).json()["id"] == "s-1"
    assert api.post(EVENTS, {"events": [EVENT]}).json()["stored"] == 1
    assert Shopper.objects.filter(external_id__contains="s-1").count() == 1
    odd = "ünï/cødé ?&#%"
    assert api.put(f"/api/v1/shoppers/{quote(odd, safe='')}", {}).status_code in {200, 404}


def test_an_unknown_shopper_is_not_found_and_gets_recommendations_all_the_same(
    api: ApiClient,
) -> None:
    make_item("A")
    refused(api.get("/api/v1/shoppers/nobody"), 404, "unknown_shopper")
    answer = api.get("/api/v1/recommendations", placement="home", shopper="nobody")
    assert answer.status_code == 200
    assert answer.json()["personalized"] is False
    assert len(answer.json()["items"]) == 1
    assert not Shopper.objects.exists(), "asking makes nobody known"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"placement": "nowhere"}, "unknown_placement"),
        ({"placement": MILLION}, "invalid_input"),
        ({"placement": "a\x00b"}, "invalid_input"),
        ({"placement": ""}, "invalid_input"),
        ({"placement": "home", "limit": 0}, "invalid_input"),
        ({"placement": "home", "limit": -1}, "invalid_input"),
        ({"placement": "home", "limit": 10_000}, "invalid_input"),
        ({"placement": "home", "limit": "9" * 5_000}, "invalid_input"),
        ({"placement": "home", "limit": "1.5"}, "invalid_input"),
        ({"placement": "home", "limit": "NaN"}, "invalid_input"),
        ({"placement": "home", "limit": "١"}, "invalid_input"),
        ({"placement": "home", "shopper": MILLION}, "invalid_input"),
        ({"placement": "home", "anonymous": "\x00"}, "invalid_input"),
        ({"placement": "home", "item": "unknown"}, "unknown_item"),
        ({"placement": "item"}, "item_missing"),
        ({"placement": "item", "item": MILLION}, "invalid_input"),
        ({"placement": "cart", "items": ",".join(["A"] * 51)}, "invalid_input"),
        ({"placement": "cart", "items": "A,unknown"}, "unknown_item"),
        ({"placement": "cart", "items": "A,\x00"}, "invalid_input"),
        ({"placement": "home", "debug": "1"}, "invalid_input"),
        ({f"p{number}": 1 for number in range(2_000)}, "invalid_input"),
        ({}, "invalid_input"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    api: ApiClient, untouched: Callable[[], bool], query: dict[str, Any], code: str
) -> None:
    refused(api.get("/api/v1/recommendations", **query), code=code)
    assert untouched()


def test_a_query_in_broken_encoding_is_refused_or_answered(api: ApiClient) -> None:
    make_item("A")
    for text in ("placement=%ff%fe", "placement=home&shopper=%ED%A0%80", "%", "&&&=", "placement"):
        answer = api.request("GET", "/api/v1/recommendations", QUERY_STRING=text)
        if answer.status_code != 200:
            refused(answer)


@pytest.mark.parametrize(("method", "path"), BODIES)
def test_a_body_of_eleven_megabytes_is_too_large(
    api: ApiClient, untouched: Callable[[], bool], method: str, path: str
) -> None:
    body = b'{"source": "' + b"x" * 11_000_000 + b'"}'
    refused(api.request(method, path, body), 413, "body_too_large")
    assert untouched()


def test_a_batch_of_nine_megabytes_is_judged_event_by_event(api: ApiClient) -> None:
    make_item("A")
    long = {**EVENT, "kind": "review", "text": "x" * 9_000}
    answer = api.post(EVENTS, {"events": [long] * 999 + [{**long, "text": "x" * 10_001}]})
    assert (answer.json()["stored"], answer.json()["refused"]) == (999, 1)


def test_an_event_with_a_thousand_unknown_fields_is_refused_in_few_words(api: ApiClient) -> None:
    answer = api.post(EVENTS, {"events": [{**EVENT, **{f"f{n}": n for n in range(1_000)}}]})
    (outcome,) = answer.json()["outcomes"]
    assert outcome["status"] == "refused"
    assert len(outcome["fields"]) <= 20


def test_a_host_that_nobody_has_and_a_key_that_was_revoked_open_nothing(
    api: ApiClient, untouched: Callable[[], bool]
) -> None:
    key, text = mint_key("gone")
    revoke_key(key)
    for method, path in (*BODIES, ("GET", "/api/v1/recommendations")):
        refused(
            api.request(method, path, {}, headers={"Host": "no.localhost"}), 404, "unknown_host"
        )
        refused(api.request(method, path, {}, key=text), 401, "invalid_key")
        refused(api.request(method, path, {}, key="x" * 100_000), 401, "invalid_key")


@pytest.mark.parametrize(
    "path", ["/api/v1/", "/api/v1/nothing", "/api/v1/events/", "/api/v2/events"]
)
def test_an_address_that_does_not_exist_says_so_in_the_apis_words(
    api: ApiClient, path: str
) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        refused(api.request(method, path, {}), 404, "not_found")


# Anything at all, also what json.dumps writes and no JSON reader should take.
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def test_whatever_is_sent_is_answered_or_refused(api: ApiClient) -> None:
    make_item("A")

    @settings(max_examples=60, deadline=None)
    @given(body=anything | st.binary(max_size=50))
    def check(body: Any) -> None:
        with contained():
            for method, path in BODIES:
                answer = api.request(method, path, body)
                if answer.status_code != 200:
                    refused(answer)

    check()


def test_whatever_an_event_holds_the_events_beside_it_are_stored(api: ApiClient) -> None:
    make_item("A")

    @settings(max_examples=60, deadline=None)
    @given(odd=st.dictionaries(st.sampled_from(FIELDS), anything))
    def check(odd: dict[str, Any]) -> None:
        with contained():
            answer = api.post(EVENTS, {"events": [EVENT, {**EVENT, **odd}, EVENT]})
            if answer.status_code == 200:
                outcomes = [outcome["status"] for outcome in answer.json()["outcomes"]]
                assert outcomes[::2] == ["stored", "stored"]
            else:
                refused(answer, code="invalid_json")

    check()
