"""What is noted of answers reaches the tables, whatever happens to the notes of others."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import orjson
import pytest
from django_tenants.utils import schema_context

from recommendations import outbox as outboxes
from recommendations.buffer import Buffer, Entry
from recommendations.fallbacks import Fallback
from recommendations.outbox import Outbox
from tenants.models import Tenant
from tenants.settled import current_generation
from tenants.tasks import current_schema
from tests.conftest import TenantPair


def test_what_a_tenant_noted_is_not_written_for_the_next_one_of_its_schemas_name(
    tenant: Tenant,
) -> None:
    written: list[Entry] = []
    buffer = Buffer("trial", written.extend, fallback=Fallback.DECISION_LOG)
    assert current_generation(), "entries of a schema without one go straight to its tables"
    for number, whose in enumerate([tenant.pk, tenant.pk + 1_000]):
        buffer.add(orjson.dumps({"tenant": whose, "number": number}))
    assert buffer.move() == 2
    assert written == [{"tenant": tenant.pk, "number": 0}]
    assert buffer.move() == 0


def test_entries_that_cannot_be_sent_hold_up_neither_others_nor_the_answer(
    tenants: TenantPair, db: None, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[tuple[str, bytes]] = []

    def send(entries: Sequence[bytes]) -> None:
        if current_schema() == tenants.theirs.schema_name:
            raise ValueError("a fault of ours")
        sent.extend((current_schema(), entry) for entry in entries)

    outbox = Outbox(send)
    with caplog.at_level(logging.ERROR):
        for tenant in (tenants.theirs, tenants.ours):
            with schema_context(tenant.schema_name):
                outbox.add(b"1")
        outbox.flush()
    assert sent == [(tenants.ours.schema_name, b"1")]
    assert f"1 entries of {tenants.theirs.schema_name} are lost" in caplog.text


def test_what_is_written_down_afterwards_is_lost_alone_where_that_fails(
    tenants: TenantPair, db: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "SENT_EVERY", timedelta(days=1))
    sent: list[bytes] = []
    written: list[str] = []

    def write(text: str) -> bytes:
        written.append(text)
        return text.encode("ascii")

    outbox = Outbox(sent.extend)
    with schema_context(tenants.ours.schema_name):
        outbox.add(b"1")
        for text in ("2", "drei und dreißig", "4"):
            outbox.add(partial(write, text))
        assert written == [], "the answer does not wait for it"
        with caplog.at_level(logging.ERROR):
            outbox.flush()
    assert sent == [b"1", b"2", b"4"]
    assert f"An entry of {tenants.ours.schema_name} is lost" in caplog.text
