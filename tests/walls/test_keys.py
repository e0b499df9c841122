"""API keys: what each opens, how often, and that a revoked one opens nothing from then on."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from django_tenants.utils import schema_context

from tenants import keys, settled
from tenants.errors import DomainError
from tenants.hosts import add_host, find_tenant, remove_host
from tenants.keys import find_key_holder, forget_key, mint_key, revoke_key
from tenants.models import ApiKey, Domain, Scope, Tenant
from tests.conftest import ApiClient, TenantPair
from tests.make import make_item, make_shopper
from tests.threads import at_once
from tests.walls.addresses import Address, every_address

Sent = tuple[int, str]

OPERATIONS: dict[Scope, tuple[str, str]] = {
    Scope.EVENTS_WRITE: ("POST", "/api/v1/events"),
    Scope.RECOMMENDATIONS_READ: ("GET", "/api/v1/recommendations?placement=home"),
    Scope.CATALOG_WRITE: ("POST", "/api/v1/feeds"),
    Scope.CATALOG_READ: ("GET", "/api/v1/feeds/1"),
    Scope.SHOPPERS_WRITE: ("PUT", "/api/v1/shoppers/s-1"),
    Scope.SHOPPERS_READ: ("GET", "/api/v1/shoppers/s-1"),
}
"""One operation that each scope opens."""


def told(api: ApiClient, method: str, path: str, key: str) -> Sent:
    path, _, query = path.partition("?")
    answer = api.request(method, path, {}, key=key, QUERY_STRING=query)
    return answer.status_code, answer.json().get("code", "")


def asks(api: ApiClient, key: str) -> Sent:
    return told(api, *OPERATIONS[Scope.RECOMMENDATIONS_READ], key)


def test_a_revoked_key_is_refused_at_once_although_it_was_settled(api: ApiClient) -> None:
    key, text = mint_key("leaving")
    for _ in range(3):
        assert asks(api, text)[0] == 200
    revoke_key(key)
    assert asks(api, text) == (401, "invalid_key")
    revoke_key(key)
    assert asks(api, api.key)[0] == 200, "the other keys go on"


def test_a_revoked_key_is_refused_by_every_process(api: ApiClient) -> None:
    """What this process keeps of a key is worth nothing once another process has revoked it."""
    key, text = mint_key("leaving")
    assert asks(api, text)[0] == 200
    kept = dict(settled._kept)
    revoke_key(key)
    settled._kept.update(kept)  # as in a process that did not hear of it
    assert asks(api, text) == (401, "invalid_key")


def test_a_key_revoked_in_a_transaction_is_refused_from_its_commit_on(
    committed: TenantPair,
) -> None:
    key, text = mint_key("leaving")
    assert find_key_holder(text) is not None
    with transaction.atomic():
        revoke_key(key)
        # Everybody else sees the old row until the commit, and settles it anew.
        assert at_once(lambda: find_key_holder(text) is not None) == [True]
    assert find_key_holder(text) is None
    assert at_once(lambda: find_key_holder(text)) == [None]


def test_a_revocation_while_a_key_is_looked_up_is_not_overlooked(
    committed: TenantPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, text = mint_key("leaving")
    look_up = keys._look_up

    def look_up_slowly(digest: str) -> object:
        found = look_up(digest)
        revoke_key(key)  # in between: read as good, and not yet settled
        return found

    monkeypatch.setattr(keys, "_look_up", look_up_slowly)
    assert find_key_holder(text) is not None
    monkeypatch.setattr(keys, "_look_up", look_up)
    assert find_key_holder(text) is None


def test_a_key_that_lost_a_scope_loses_it_at_once(api: ApiClient) -> None:
    key, text = mint_key("server")
    assert asks(api, text)[0] == 200
    key.scopes = [Scope.EVENTS_WRITE]
    key.save()
    forget_key(key)
    assert asks(api, text) == (403, "missing_scope")


@pytest.mark.parametrize("scope", Scope)
def test_a_key_opens_what_its_scope_says_and_nothing_else(api: ApiClient, scope: Scope) -> None:
    make_shopper("s-1")
    _, text = mint_key("narrow", scopes=[scope])
    for each, (method, path) in OPERATIONS.items():
        status, code = told(api, method, path, text)
        assert (code == "missing_scope") == (each != scope), (each, status, code)
        assert (status == 403) == (each != scope)


def test_every_operation_of_the_api_asks_for_a_scope() -> None:
    for address in every_address():
        if address.is_api:
            assert set(address.view.cls.required_scopes) == set(address.methods), address.route
            assert set(address.view.cls.required_scopes.values()) <= set(Scope)


def test_an_operation_that_is_not_there_is_said_not_to_be(api: ApiClient) -> None:
    for address in every_address():
        if address.is_api:
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(address.methods):
                answer = api.request(method, plain(address))
                assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def plain(address: Address) -> str:
    """Returns the address with something in place of each of its parameters."""
    route = re.sub("<uuid:.*?>", "00000000-0000-4000-8000-000000000000", address.route)
    return "/" + re.sub("<int:.*?>", "1", re.sub("<str:.*?>", "s-1", route))


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer attune_sk_", "Bearer attune_sk_" + "x" * 200,
     "Bearer \xff\xfe", "bearer nothing", "Token attune_sk_x", "Bearer a b c"],
)  # fmt: skip
def test_what_is_no_key_opens_nothing(api: ApiClient, header: str) -> None:
    answer = api.request(
        "GET", "/api/v1/shoppers/s-1", headers={"Authorization": header} if header else {}, key=""
    )
    assert answer.status_code == 401
    assert answer.json()["code"] in {"invalid_key", "not_authenticated"}
    assert answer["WWW-Authenticate"] == "Bearer"


def test_only_a_hash_of_a_key_is_kept(api: ApiClient) -> None:
    key, text = mint_key("server")
    assert asks(api, text)[0] == 200
    stored = ApiKey.objects.filter(pk=key.pk).values().get()
    secret = text.removeprefix("attune_sk_")
    assert not [value for value in stored.values() if secret in str(value)]
    assert len(secret) >= 40
    assert text.startswith(stored["prefix"])
    assert len(stored["prefix"]) < len(text) - 30


def test_the_use_of_a_key_is_noted(api: ApiClient) -> None:
    key, text = mint_key("server")
    before = timezone.now()
    assert asks(api, text)[0] == 200
    key.refresh_from_db()
    assert key.last_used_at is not None
    assert key.last_used_at >= before


# -- Rates ----------------------------------------------------------------------------------------


def test_a_key_is_refused_beyond_its_rate_and_told_when_to_come_back(api: ApiClient) -> None:
    _, text = mint_key("busy", requests_per_minute=3)
    answers = [api.request("GET", "/api/v1/shoppers/s-1", key=text) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 429, 429]
    assert answers[-1].json()["code"] == "throttled"
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
    assert asks(api, api.key)[0] == 200, "a rate is a key's own"


def test_rates_of_two_tenants_are_counted_apart(
    tenants: TenantPair, tenant: Tenant, client_of: Callable[[Tenant], ApiClient]
) -> None:
    """Ids of keys begin anew in each schema, so two keys may have the same one."""
    for each in (tenants.ours, tenants.theirs):
        with schema_context(each.schema_name):
            ApiKey.objects.all().delete()
            _, text = mint_key("busy", requests_per_minute=2)
            ApiKey.objects.update(id=77)
        answers = [client_of(each).request("GET", "/api/v1/shoppers/x", key=text) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [404, 404, 429]


def test_while_the_store_of_rates_is_out_requests_are_let_through(
    api: ApiClient, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    found = settings.CACHES["default"]
    settings.CACHES = {"default": {**found, "LOCATION": "redis://127.0.0.1:9/0"}}
    _, text = mint_key("busy", requests_per_minute=1)
    answers = [api.request("GET", "/api/v1/shoppers/s-1", key=text) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert "Rate limits are not counted" in caplog.text


# -- Hosts ----------------------------------------------------------------------------------------


def test_a_host_leads_to_its_tenant_from_the_next_request_on(api: ApiClient) -> None:
    make_item()

    def at(host: str) -> Sent:
        answer = api.request(
            "GET", "/api/v1/recommendations", headers={"Host": host}, QUERY_STRING="placement=home"
        )
        return answer.status_code, answer.json().get("code", "")

    assert at("new.localhost") == (404, "unknown_host")
    add_host(api.tenant, "new.localhost")
    assert at("new.localhost") == (200, "")
    assert at("NEW.localhost:8000") == (200, "")
    assert at("www.new.localhost") == (200, "")
    remove_host("new.localhost")
    assert at("new.localhost") == (404, "unknown_host")


def test_a_host_that_moves_leads_to_its_new_tenant_only(
    tenants: TenantPair, tenant: Tenant
) -> None:
    add_host(tenants.ours, "moving.localhost")
    assert find_tenant("moving.localhost") == tenants.ours
    with schema_context("public"):
        domain = Domain.objects.get(domain="moving.localhost")
        domain.tenant = tenants.theirs
        domain.save()
    assert find_tenant("moving.localhost") == tenants.theirs


def test_a_tenant_that_is_changed_is_read_anew(tenants: TenantPair, tenant: Tenant) -> None:
    assert find_tenant("ours.localhost") is not None
    with schema_context("public"):
        found = Tenant.objects.get(schema_name="ours")
        found.name = "Renamed"
        found.save()
    again = find_tenant("ours.localhost")
    assert again is not None
    assert again.name == "Renamed"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_platforms_own_hosts_cannot_be_a_tenants(tenant: Tenant, host: str) -> None:
    with pytest.raises(DomainError) as refused:
        add_host(tenant, host)
    assert refused.value.code == "host_taken"
