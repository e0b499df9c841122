"""Every Celery task, run for one tenant beside the other."""

import inspect
import json
import logging
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django_redis import get_redis_connection
from django_tenants.utils import schema_context

from catalog.models import FeedImport, Item
from config.celery import app
from recommendations.models import Decision
from tenants.connection import connection
from tenants.tasks import TenantTask, start_for_every_tenant
from tests.conftest import TenantPair
from tests.walls.planting import Planted
from tests.walls.tables import fingerprint

Pair = tuple[Planted, Planted]

FOR_EVERY_TENANT = "tenants.tasks.start_for_every_tenant"
FILLS = {"feed_import_id": FeedImport}
"""Which row a task's argument names."""


def tenant_tasks() -> list[str]:
    """Every task of the project but the one that starts the others."""
    app.loader.import_default_modules()
    return sorted(
        name
        for name in current_app.tasks
        if not name.startswith("celery.") and name != FOR_EVERY_TENANT
    )


def arguments(name: str, about: Planted) -> dict[str, Any]:
    function = inspect.unwrap(current_app.tasks[name].run)
    parameters = list(inspect.signature(function).parameters)
    unknown = set(parameters) - FILLS.keys()
    assert not unknown, f"Say in FILLS what {unknown} of {name} names."
    return {parameter: about.row(FILLS[parameter]).pk for parameter in parameters}


def run(name: str, *args: Any, **kwargs: Any) -> None:
    with schema_context("public"):
        current_app.tasks[name](*args, **kwargs)
        assert connection.schema_name == "public", "a task leaves the schema as it found it"


def test_there_are_tasks_and_each_is_a_tenants() -> None:
    assert len(tenant_tasks()) >= 7
    for name in tenant_tasks():
        module, _, function = name.rpartition(".")
        task = getattr(__import__(module, fromlist=[function]), function)
        assert isinstance(task, TenantTask), f"{name} can be queued without a tenant."


@pytest.mark.parametrize("name", tenant_tasks())
def test_a_task_without_a_tenant_fails_before_it_does_anything(planted: Pair, name: str) -> None:
    ours, _ = planted
    given = arguments(name, ours)
    before = [fingerprint(schema) for schema in ("public", "ours", "theirs")]
    with pytest.raises(TypeError):
        run(name, **given)
    for schema in ("public", "nobody", "", "OURS", "ours; DROP SCHEMA theirs", None, 7):
        with pytest.raises(ValueError, match="no tenant's schema"):
            run(name, schema, **given)
    assert [fingerprint(schema) for schema in ("public", "ours", "theirs")] == before


@pytest.mark.parametrize("name", tenant_tasks())
def test_a_task_of_one_tenant_touches_nothing_of_the_other(
    planted: Pair, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for one, other in (planted, planted[::-1]):
        caplog.clear()
        before = fingerprint(other.tenant.schema_name), cached(other.tenant.schema_name)
        run(name, one.tenant.schema_name, **arguments(name, one))
        after = fingerprint(other.tenant.schema_name), cached(other.tenant.schema_name)
        assert after[0].differs_in(before[0]) == set()
        assert after[1] == before[1]
        assert other.marker not in caplog.text


def test_a_task_given_another_tenants_row_does_not_find_it(planted: Pair) -> None:
    ours, theirs = planted
    before = fingerprint("ours"), fingerprint("theirs")
    for name in tenant_tasks():
        if given := arguments(name, theirs):
            with pytest.raises(Exception, match="does not exist"):
                run(name, "ours", **given)
    assert (fingerprint("ours"), fingerprint("theirs")) == before
    assert ours.row(FeedImport).pk != theirs.row(FeedImport).pk


def test_a_tenants_feed_is_imported_into_that_tenant(planted: Pair) -> None:
    for one, other in (planted, planted[::-1]):
        with schema_context(one.tenant.schema_name):
            FeedImport.objects.update(status=FeedImport.Status.WAITING)
        feed = one.row(FeedImport)
        run("catalog.tasks.run_feed_import", one.tenant.schema_name, feed.pk)
        with schema_context(one.tenant.schema_name):
            titles = set(Item.objects.values_list("title", flat=True))
        assert f"{one.marker} fed" in titles
        assert not [title for title in titles if other.marker in title]


def test_buffered_decisions_are_written_to_their_own_tenant(planted: Pair) -> None:
    from django.test import Client  # noqa: PLC0415  # used here only

    made = {}
    for one in planted:
        answer = Client().get(
            f"/api/v1/recommendations?placement=home&shopper={one.shopper}",
            headers={"Host": one.host, "Authorization": f"Bearer {one.key}"},
        )
        made[one.tenant.schema_name] = answer.json()["decision"]
    for schema, decision in made.items():
        run("recommendations.tasks.write_buffered_decisions", schema)
        for each in made:
            with schema_context(each):
                written = Decision.objects.filter(pk=decision).exists()
            assert written == (each == schema)


def test_the_schedule_starts_known_tasks_once_for_each_tenant(tenants: TenantPair) -> None:
    for name, entry in app.conf.beat_schedule.items():
        assert entry["task"] == FOR_EVERY_TENANT, name
        (task,) = entry["args"]
        assert task in tenant_tasks(), f"{name} starts a task that nobody knows."


@pytest.mark.django_db
def test_starting_for_every_tenant_queues_one_task_for_each(tenants: TenantPair) -> None:
    broker = get_redis_connection("default")
    broker.delete("celery")
    start_for_every_tenant("catalog.tasks.embed_changed_items")
    queued = [json.loads(message) for message in broker.lrange("celery", 0, -1)]
    broker.delete("celery")
    assert settings.CELERY_BROKER_URL == settings.REDIS_URL
    assert {message["headers"]["task"] for message in queued} == {
        "catalog.tasks.embed_changed_items"
    }
    schemas = [message["headers"]["argsrepr"] for message in queued]
    assert {"('ours',)", "('theirs',)"} <= set(schemas)
    assert len(schemas) == len(set(schemas))


def cached(schema: str) -> dict[bytes, bytes]:
    """Every key of the tenant in Valkey, with what it holds."""
    store = get_redis_connection("default")
    return {key: store.dump(key) for key in store.scan_iter(f"{schema}:*")}
