"""A publishable key works for its own pages and for the one shopper whom a server vouched for."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.utils import timezone

from profiles.consent import consents_of
from profiles.identity import get_shopper
from profiles.models import Event
from recommendations.placements import ensure_default_placements
from tenants.browser_keys import OVERLAP, rotate_token_secret, sign_token, token_secret
from tenants.errors import DomainError
from tenants.keys import mint_key, revoke_key
from tenants.models import BROWSER_SCOPES, ApiKey, Tenant
from tests.conftest import ApiClient
from tests.make import make_item, make_shopper
from tests.staff import page_of, sign_in, text_of

SHOP = "https://shop.example"
ELSEWHERE = "https://evil.example"


@pytest.fixture
def minted(tenant: Tenant) -> tuple[ApiKey, str]:
    return mint_key("pages", scopes=BROWSER_SCOPES, origins=[SHOP], shopper_requests_per_minute=5)


def token_of(key: ApiKey, shopper: str = "s-1", **more: Any) -> str:
    return sign_token(token_secret(key), key.token_version, known=shopper, **more)


def send(
    api: ApiClient,
    key: str,
    token: str | None,
    method: str = "GET",
    path: str = "shoppers/s-1/signals",
    *,
    body: Any = None,
    origin: str | None = SHOP,
    query: str = "",
) -> Any:
    headers = {"X-Shopper-Token": token, "Origin": origin}
    return api.request(
        method,
        f"/api/v1/{path}",
        body,
        key=key,
        headers={name: value for name, value in headers.items() if value is not None},
        QUERY_STRING=query,
    )


def test_a_page_acts_for_the_shopper_of_its_token(
    api: ApiClient, minted: tuple[ApiKey, str]
) -> None:
    key, text = minted
    make_item("A")
    make_shopper("s-1")
    token = token_of(key)
    events = {"events": [{"kind": "view", "item": "A"}]}
    assert send(api, text, token, "POST", "events", body=events).json()["stored"] == 1
    assert Event.stored.get().shopper.external_id == "s-1", "whom the page need not name"
    ensure_default_placements()
    slate = send(api, text, token, path="recommendations", query="placement=home")
    assert (slate.status_code, slate.json()["personalized"]) == (200, True)
    assert slate["Access-Control-Allow-Origin"] == SHOP
    assert "Origin" in slate["Vary"]
    choice = {"personalization": False, "source": "page"}
    assert send(api, text, token, "PUT", "shoppers/s-1/consents", body=choice).status_code == 200
    assert consents_of(get_shopper("s-1"))["personalization"] is False


@pytest.mark.parametrize(
    ("method", "path", "body", "query"),
    [
        ("GET", "shoppers/s-2/signals", None, ""),
        ("GET", "shoppers/s-2/consents", None, ""),
        ("PUT", "shoppers/s-2/consents", {"personalization": False, "source": "t"}, ""),
        ("POST", "shoppers/s-2/mutes", {"kind": "view"}, ""),
        ("DELETE", "shoppers/s-2/mutes", {"kind": "view"}, ""),
        ("GET", "recommendations", None, "placement=home&shopper=s-2"),
        ("GET", "recommendations", None, "placement=home&anonymous=cookie-2"),
        ("GET", "search", None, "q=x&shopper=s-2"),
        ("POST", "events", {"events": [{"kind": "view", "shopper": "s-2", "item": "A"}]}, ""),
        ("POST", "events", {"events": [{"kind": "view", "anonymous": "c", "item": "A"}]}, ""),
    ],
)
def test_another_shopper_is_out_of_reach(
    api: ApiClient,
    minted: tuple[ApiKey, str],
    *,
    method: str,
    path: str,
    body: Any,
    query: str,
) -> None:
    key, text = minted
    make_item("A")
    make_shopper("s-1")
    make_shopper("s-2")
    answer = send(api, text, token_of(key), method, path, body=body, query=query)
    assert (answer.status_code, answer.json()["code"]) == (403, "other_shopper")
    assert not Event.stored.exists()
    assert consents_of(get_shopper("s-2"))["personalization"] is True


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "shoppers/s-1", {"traits": {"tier": "gold"}}),
        ("GET", "shoppers/s-1", None),
        ("POST", "items", {"items": []}),
        ("GET", "recommendations/45c6ee08-210a-431d-98ec-21c5a85a0d06/why", None),
        ("POST", "rules/simulate", {"placement": "home"}),
    ],
)
def test_what_is_the_shops_is_out_of_reach_of_pages(
    api: ApiClient, minted: tuple[ApiKey, str], method: str, path: str, body: Any
) -> None:
    key, text = minted
    make_shopper("s-1")
    answer = send(api, text, token_of(key), method, path, body=body)
    assert answer.status_code == 403
    assert answer.json()["code"] in {"browser_key", "missing_scope", "permission_denied"}


def test_a_token_that_is_not_good_opens_nothing(api: ApiClient, minted: tuple[ApiKey, str]) -> None:
    key, text = minted
    make_shopper("s-1")
    other, _ = mint_key("others", scopes=BROWSER_SCOPES, origins=[SHOP])
    claims = {"sub": "s-1", "iat": timezone.now(), "exp": timezone.now() + timedelta(minutes=5)}
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": "1"})
    forged = jwt.encode(claims, "guessed" * 8, algorithm="HS256", headers={"kid": "1"})
    eternal = jwt.encode({"sub": "s-1"}, token_secret(key), algorithm="HS256", headers={"kid": "1"})
    for token in (
        token_of(key, life=timedelta(minutes=-5)),
        token_of(key, life=timedelta(hours=2)),
        token_of(other),
        sign_token(token_secret(key), 1),
        sign_token(token_secret(key), 7, known="s-1"),
        unsigned,
        forged,
        eternal,
        "nonsense",
        "x" * 5_000,
        jwt.encode(
            {**claims, "iat": "1", "exp": "9999999999"},
            token_secret(key),
            algorithm="HS256",
            headers={"kid": "1"},
        ),
        *(token_of(key, bad) for bad in ("s\x00", "\ud800", "  ", "s" * 201)),
        jwt.encode(
            {**claims, "anonymous": {"a": 1}},
            token_secret(key),
            algorithm="HS256",
            headers={"kid": "1"},
        ),
    ):
        answer = send(api, text, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token"), token[:80]
    assert send(api, text, None).json()["code"] == "token_missing"
    assert send(api, text, token_of(key)).status_code == 200


@pytest.mark.parametrize("origin", [ELSEWHERE, None, "null", SHOP + ".evil.example"])
def test_a_page_of_another_origin_gets_nothing_and_may_read_nothing(
    api: ApiClient, minted: tuple[ApiKey, str], origin: str | None
) -> None:
    key, text = minted
    make_shopper("s-1")
    answer = send(api, text, token_of(key), origin=origin)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")
    assert "Access-Control-Allow-Origin" not in answer


def test_a_preflight_is_answered_for_the_origins_of_keys_alone(
    api: ApiClient, minted: tuple[ApiKey, str]
) -> None:
    def preflight(origin: str) -> Any:
        asks = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return api.request("OPTIONS", "/api/v1/events", headers=asks)

    answer = preflight(SHOP)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (204, SHOP)
    assert "X-Shopper-Token" in answer["Access-Control-Allow-Headers"]
    assert preflight(ELSEWHERE).status_code == 403
    assert "Access-Control-Allow-Origin" not in preflight(ELSEWHERE)
    revoke_key(minted[0])
    assert preflight(SHOP).status_code == 403, "with its last key an origin is gone"


def test_one_keys_pages_do_not_read_another_keys_answers(
    api: ApiClient, minted: tuple[ApiKey, str]
) -> None:
    mint_key("others", scopes=BROWSER_SCOPES, origins=[ELSEWHERE])
    key, text = minted
    make_shopper("s-1")
    assert send(api, text, token_of(key), origin=ELSEWHERE).json()["code"] == "origin_refused"


def test_a_rotated_secret_overlaps_with_the_one_before_for_a_day(
    api: ApiClient, minted: tuple[ApiKey, str]
) -> None:
    key, text = minted
    make_shopper("s-1")
    before = token_of(key)
    secret = rotate_token_secret(key)
    assert send(api, text, sign_token(secret, 2, known="s-1")).status_code == 200
    assert send(api, text, before).status_code == 200
    ago = timezone.now() - OVERLAP - timedelta(seconds=1)
    ApiKey.objects.filter(pk=key.pk).update(token_rotated_at=ago)
    rotated = ApiKey.objects.get(pk=key.pk)
    from tenants.keys import forget_key  # noqa: PLC0415

    forget_key(rotated)
    assert send(api, text, before).json()["code"] == "invalid_token"
    rotate_token_secret(key)
    assert send(api, text, before).json()["code"] == "invalid_token", "two versions ago"


@pytest.fixture
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No minute ends within the test."""
    monkeypatch.setattr("tenants.throttling.WINDOW", 10**9)


@pytest.mark.usefixtures("one_window")
def test_each_shopper_has_a_limit_of_their_own(api: ApiClient, minted: tuple[ApiKey, str]) -> None:
    key, text = minted
    for shopper in ("s-1", "s-2"):
        make_shopper(shopper)
    for _ in range(5):
        assert send(api, text, token_of(key)).status_code == 200
    assert send(api, text, token_of(key)).json()["code"] == "throttled"
    path = "shoppers/s-2/signals"
    assert send(api, text, token_of(key, "s-2"), path=path).status_code == 200


@pytest.mark.usefixtures("one_window")
def test_nobody_uses_up_the_requests_of_all_who_share_a_key(api: ApiClient) -> None:
    """Neither who has the key alone, which is everybody, nor a shopper beyond their own limit."""
    key, text = mint_key(
        "pages",
        scopes=BROWSER_SCOPES,
        origins=[SHOP],
        requests_per_minute=5,
        shopper_requests_per_minute=2,
    )
    for shopper in ("s-1", "s-2"):
        make_shopper(shopper)
    answers = [send(api, text, "forged").status_code for _ in range(7)]
    answers += [send(api, text, token_of(key), origin=ELSEWHERE).status_code for _ in range(7)]
    answers += [send(api, text, token_of(key)).status_code for _ in range(7)]
    assert answers == [401] * 7 + [403] * 7 + [200] * 2 + [429] * 5
    path = "shoppers/s-2/signals"
    assert send(api, text, token_of(key, "s-2"), path=path).status_code == 200


def test_a_publishable_key_gets_no_scope_that_is_the_shops(tenant: Tenant) -> None:
    with pytest.raises(DomainError, match="catalog:write"):
        mint_key("pages", scopes=["catalog:write"], origins=[SHOP])
    staff = sign_in(tenant)
    form = {"name": "pages", "scopes": ["catalog:write"], "requests_per_minute": 10,
            "allowed_origins": SHOP, "shopper_requests_per_minute": 5}  # fmt: skip
    assert staff.post(page_of(ApiKey, "add"), form).status_code == 200
    assert (
        staff.post(
            page_of(ApiKey, "add"), {**form, "scopes": ["events:write"], "allowed_origins": "shop"}
        ).status_code
        == 200
    )
    assert not ApiKey.objects.exists()
    made = staff.post(page_of(ApiKey, "add"), {**form, "scopes": ["events:write"]}, follow=True)
    key = ApiKey.objects.get()
    assert (key.kind, key.allowed_origins) == ("publishable", [SHOP])
    assert token_secret(key) in text_of(made)


def test_a_secret_key_needs_no_token_and_opens_no_origin(api: ApiClient) -> None:
    make_shopper("s-1")
    answer = send(api, api.key, None, origin=SHOP)
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer
