"""Nothing personal in the log, in what is queued, in the audit trail or in a page of an error."""

import base64
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django_redis import get_redis_connection
from django_tenants.utils import schema_context

from profiles.models import Shopper
from tenants.models import AuditEntry
from tests.staff import sign_in
from tests.walls.addresses import every_address
from tests.walls.planting import Planted
from tests.walls.test_addresses import CALLS, browse, call
from tests.walls.test_tasks import arguments, run, tenant_tasks

Pair = tuple[Planted, Planted]

CANARY = "canary-7f3a@example.org"
"""A shopper's id as some shops choose it."""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the configured handler writes, filters and format included."""
    (console,) = [each for each in logging.getLogger().handlers if each.get_name() == "console"]
    assert isinstance(console, logging.StreamHandler)
    written = io.StringIO()
    before = console.setStream(written)
    yield written
    console.setStream(before)


def test_no_log_line_no_message_and_no_error_holds_what_is_a_persons(
    planted: Pair, log: io.StringIO, django_capture_on_commit_callbacks: Any
) -> None:
    ours, _ = planted
    with schema_context(ours.tenant.schema_name):
        shopper = ours.row(Shopper)
        shopper.external_id, shopper.traits = CANARY, {"note": f"trait of {CANARY}"}
        # Without an identity of that name, so that events break a constraint: error 500.
        shopper.save()
    broker = get_redis_connection("default")
    broker.delete("celery")
    with django_capture_on_commit_callbacks(execute=True):
        use_everything(ours)

    lines = log.getvalue()
    assert "Not Found: /api/v1/shoppers/<str:shopper>" in lines
    assert "Not Found: an address of nothing" in lines
    assert "IntegrityError: duplicate key" in lines, "an error that names a row's values was logged"
    assert [line for line in lines.splitlines() if CANARY in line] == []
    queued = [json.loads(message) for message in broker.lrange("celery", 0, -1)]
    assert queued, "tasks were queued"
    for message in queued:
        said = f"{message['headers']} {base64.b64decode(message['body']).decode()}"
        assert CANARY not in said
    with schema_context(ours.tenant.schema_name):
        trail = str(list(AuditEntry.objects.values()))
    assert "profiles.shopper" in trail, "that the shopper was looked at is an entry"
    assert CANARY not in trail


def use_everything(ours: Planted) -> None:
    """Each operation of the API, each page of the admin and each task, with and without the right
    to it. What is refused repeats nothing of the person."""
    for operation in sorted(CALLS):
        for key in (ours.key, None, ours.key[:-2]):
            status, text = call(key, ours.host, operation, ours)
            if status >= 400:
                assert CANARY not in text, operation
    path = f"/api/v1/shoppers/nobody-{CANARY}"
    status, text = call(
        ours.key, ours.host, ("GET", "api/v1/shoppers/<str:shopper>"), ours, path=path
    )
    assert (status, CANARY in text) == (404, False)
    call(ours.key, ours.host, ("GET", "api/v1/items/<path:item>"), ours, path=f"/nothing/{CANARY}")
    for name in tenant_tasks():
        run(name, ours.tenant.schema_name, **arguments(name, ours))
        assert CANARY not in str(arguments(name, ours))

    staff = sign_in(ours.tenant)
    for address in every_address():
        if address.route.startswith("admin/") and "logout" not in address.route:
            for method in ("GET", "POST"):
                status, text = browse(staff, method, address, ours)
                assert status < 400 or CANARY not in text, address.route
