"""Every key in Valkey: whose it is, and that it holds nothing of anybody else."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django_redis import get_redis_connection
from django_tenants.utils import schema_context
from redis.exceptions import RedisError

from recommendations.models import Decision
from recommendations.pipeline import last_resort
from tenants.closing import close_tenant
from tenants.connection import connection
from tenants.hosts import find_tenant
from tenants.models import Tenant
from tenants.opening import open_tenant
from tenants.settled import settled
from tests.conftest import TenantPair
from tests.staff import sign_in
from tests.walls.addresses import every_address
from tests.walls.planting import Planted, plant
from tests.walls.tables import fingerprint
from tests.walls.test_addresses import CALLS, browse, call, told_by
from tests.walls.test_tasks import arguments, run, tenant_tasks

Pair = tuple[Planted, Planted]

BROKER_KEYS = ("celery", "_kombu.", "unacked")
"""How the broker's own keys begin. Messages name the schema; what they carry is ids."""


def everything() -> dict[str, bytes]:
    """Every key of the test run's database in Valkey with its value, whatever its type."""
    store = get_redis_connection("default")
    return {key.decode(): b"\n".join(_values(store, key)) for key in store.scan_iter()}


def _values(store: object, key: bytes) -> Iterator[bytes]:
    kind = store.type(key)  # type: ignore[attr-defined]
    match kind:
        case b"string":
            yield store.get(key)  # type: ignore[attr-defined]
        case b"list":
            yield from store.lrange(key, 0, -1)  # type: ignore[attr-defined]
        case b"set":
            yield from store.smembers(key)  # type: ignore[attr-defined]
        case b"hash":
            yield from store.hgetall(key).values()  # type: ignore[attr-defined]
        case b"zset":
            yield from store.zrange(key, 0, -1)  # type: ignore[attr-defined]
        case _:
            pytest.fail(f"{key!r} is of a type that this test cannot read: {kind!r}")


def owner_of(key: str) -> str:
    """The schema that a key belongs to. Fails for a key that names none."""
    if key.startswith(BROKER_KEYS):
        return "broker"
    start = key.partition(":")[0]
    assert start in {"ours", "theirs", "public"}, f"{key} does not begin with its schema."
    return start


def use_everything(one: Planted) -> None:
    """All that the project does for a tenant, so that all it caches is cached."""
    for operation in CALLS:
        assert call(one.key, one.host, operation, one)[0] < 400, operation
    staff = sign_in(one.tenant, "boss")
    for address in every_address():
        if not address.is_api and address.route != "admin/logout/":
            browse(staff, "GET", address, one)
    for name in tenant_tasks():
        run(name, one.tenant.schema_name, **arguments(name, one))
    for operation in CALLS:
        call(one.key, one.host, operation, one)


def test_every_key_begins_with_its_schema_and_holds_nothing_of_another(planted: Pair) -> None:
    for one in planted:
        use_everything(one)
    owned: dict[str, set[str]] = {}
    for key, value in everything().items():
        owner = owner_of(key)
        owned.setdefault(owner, set()).add(key)
        for one in planted:
            if owner != one.tenant.schema_name:
                assert one.marker.encode() not in value, f"{key} holds what is {one.tenant}'s"
                assert one.marker not in key
    assert len(owned["ours"]) >= 6, "what is cached for ours was looked at"
    assert len(owned["theirs"]) >= 6
    for kept in ("generation", "last-slate:", ":decisions"):
        assert any(kept in key for key in owned["ours"]), f"nothing was cached as {kept}"


def test_what_a_process_remembers_is_the_tenants_own(planted: Pair) -> None:
    for one in planted:
        use_everything(one)
    remembered = last_resort._remembered
    assert {place[0] for place in remembered} >= {"ours", "theirs"}
    for one, other in (planted, planted[::-1]):
        mine = [found for place, found in remembered.items() if place[0] == one.tenant.schema_name]
        assert other.marker not in str(mine)


def test_what_is_settled_is_the_tenants_own_also_while_no_generation_tells(
    tenants: TenantPair, tenant: Tenant, settings: Any
) -> None:
    """With Valkey each schema's generation keeps them apart, too; without it the place alone."""
    found = settings.CACHES["default"]
    settings.CACHES = {"default": {**found, "LOCATION": "redis://127.0.0.1:9/0"}}
    for _ in range(2):
        for schema in ("ours", "theirs"):
            with schema_context(schema):
                assert settled("whose", lambda: str(connection.schema_name)) == schema


def test_a_closed_tenant_leaves_nothing_in_valkey_and_its_host_leads_nowhere(
    planted: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = planted
    leaving = open_tenant(schema_name="leaving", name="Leaving", host="leaving.localhost")
    gone = plant(leaving, first_id=5)
    status, _ = call(gone.key, gone.host, ("GET", "api/v1/recommendations"), gone)
    assert status == 200
    with schema_context("leaving"):
        cache.set("kept", gone.marker)
    assert any("leaving" in key for key in everything())

    delete = Tenant.delete

    def visit_and_delete(tenant: Tenant) -> object:
        # A request that comes while the tenant is being closed finds it, and caches its host.
        assert find_tenant("leaving.localhost") is not None
        return delete(tenant)

    monkeypatch.setattr(Tenant, "delete", visit_and_delete)
    close_tenant(leaving)

    assert not [key for key in everything() if "leaving" in key]
    status, text = call(gone.key, gone.host, ("GET", "api/v1/recommendations"), gone)
    assert (status, "unknown_host" in text) == (404, True)
    status, _ = call(ours.key, ours.host, ("GET", "api/v1/recommendations"), ours)
    assert status == 200


def test_a_tenant_of_the_same_name_inherits_nothing(planted: Pair) -> None:
    first = open_tenant(schema_name="again", name="First", host="again.localhost")
    gone = plant(first, first_id=5)
    assert call(gone.key, gone.host, ("GET", "api/v1/recommendations"), gone)[0] == 200
    anonymous = Client().get(
        "/api/v1/recommendations?placement=home",
        headers={"Host": gone.host, "Authorization": f"Bearer {gone.key}"},
    )
    assert gone.marker in told_by(anonymous)
    close_tenant(first)

    open_tenant(schema_name="again", name="Second", host="again.localhost")
    status, text = call(gone.key, gone.host, ("GET", "api/v1/recommendations"), gone)
    assert (status, '"invalid_key"' in text) == (401, True)
    run("recommendations.tasks.write_buffered_decisions", "again")
    with schema_context("again"):
        assert not Decision.objects.exists()
    second = find_tenant("again.localhost")
    assert second is not None
    connection.set_tenant(second)
    assert last_resort._remembered.get(last_resort._place("home")) is None
    connection.set_schema_to_public()


def test_a_tenant_is_not_closed_while_valkey_cannot_forget_it(planted: Pair, settings: Any) -> None:
    leaving = open_tenant(schema_name="leaving", name="Leaving", host="leaving.localhost")
    before = fingerprint("leaving")
    found = settings.CACHES["default"]
    settings.CACHES = {"default": {**found, "LOCATION": "redis://127.0.0.1:9/0"}}
    with pytest.raises(RedisError):
        close_tenant(leaving)
    assert fingerprint("leaving") == before
    assert find_tenant("leaving.localhost") == leaving
