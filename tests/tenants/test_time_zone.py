"""A shop's hours are those of its own time zone, and UTC is what everything else keeps to."""

from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone
from django_tenants.utils import schema_context

from recommendations.models import MerchandisingRule
from recommendations.placements import ensure_default_placements
from tenants.connection import connection
from tenants.models import Tenant
from tenants.tasks import tenant_task
from tests.conftest import ApiClient
from tests.make import make_item
from tests.shop import planted_shop

EAST = "Pacific/Kiritimati"
"""Fourteen hours before UTC."""


def change(**changes: str) -> None:
    named = {f"--{name.replace('_', '-')}={value}" for name, value in changes.items()}
    with schema_context("public"):
        call_command("change_tenant", "ours", *named)


def titles(api: ApiClient) -> list[str]:
    body: dict[str, Any] = api.get("/api/v1/recommendations", placement="home", limit=20).json()
    return [item["title"] for item in body["items"]]


def test_a_rule_of_some_hours_holds_by_the_clock_of_the_shop(api: ApiClient) -> None:
    planted_shop()
    ensure_default_placements()
    lamp = make_item("LAMP", title="Reading lamp")
    change(time_zone=EAST)
    with timezone.override(EAST):
        now = timezone.localtime()
    MerchandisingRule.objects.create(
        name="Now, over there",
        kind="pin",
        status="live",
        item=lamp,
        from_hour=(now - timedelta(hours=2)).time(),
        to_hour=(now + timedelta(hours=2)).time(),
    )
    assert titles(api)[0] == "Reading lamp"
    change(time_zone="UTC")
    assert titles(api)[0] != "Reading lamp", "from the next request on"
    assert timezone.get_current_timezone_name() == "UTC", "a request leaves no time zone behind"


def test_what_the_api_answers_is_in_utc_all_the_same(api: ApiClient) -> None:
    planted_shop()
    change(time_zone=EAST)
    answer = api.get("/api/v1/recommendations", placement="home").json()
    why = api.get(f"/api/v1/recommendations/{answer['decision']}/why").json()
    assert why["served_at"].endswith("+00:00")


@override_settings(CELERY_TASK_ALWAYS_EAGER=True)
def test_a_task_runs_by_the_clock_of_its_shop(tenant: Tenant) -> None:
    told = []

    @tenant_task
    def tell() -> None:
        told.append(timezone.get_current_timezone_name())

    change(time_zone=EAST)
    try:
        tell("ours")
    finally:
        current_app.tasks.unregister(tell.name)
    assert told == [EAST]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ours", "--time-zone=Middle/Earth"], "no time zone"),
        (["ours", "--currency=EURO"], "at most 3 characters"),
        (["ours"], "Say what to change"),
        (["nobody", "--name=Nobody"], "There is no tenant 'nobody'"),
    ],
)
def test_what_a_tenant_cannot_be_is_refused_and_nothing_changes(
    tenant: Tenant, arguments: list[str], said: str
) -> None:
    connection.set_schema_to_public()
    before = Tenant.objects.filter(pk=tenant.pk).values().get()
    with pytest.raises(CommandError, match=said):
        call_command("change_tenant", *arguments)
    assert Tenant.objects.filter(pk=tenant.pk).values().get() == before
