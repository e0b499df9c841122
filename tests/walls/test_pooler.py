"""The walls behind a pooler that gives a connection to somebody else after each transaction."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, NotSupportedError, ProgrammingError, transaction
from django_tenants.utils import schema_context

from catalog.models import Item
from config.celery import require_sessions
from tenants.connection import connection
from tests.conftest import TenantPair
from tests.make import make_item
from tests.walls.pgbouncer import (
    PROGRAM,
    SERVERS,
    PgBouncer,
    close_pools,
    connected_through,
    running,
)
from tests.walls.test_threads import Regret, interleave, look, place, regret

needs_pgbouncer = pytest.mark.skipif(
    PROGRAM is None, reason="PgBouncer is not installed; as root `make pooler` installs it."
)

HELD = """
    SELECT current_user = session_user, current_setting('search_path'),
           (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
           (SELECT count(*) FROM pg_prepared_statements),
           (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
"""


@pytest.fixture
def pgbouncer(committed: TenantPair) -> Iterator[PgBouncer]:
    with running("transaction") as found:
        try:
            yield found
        finally:
            close_pools()


@pytest.fixture
def pooled(pgbouncer: PgBouncer) -> Iterator[PgBouncer]:
    """The test's own connection leads through it, and is in our tenant."""
    with connected_through(pgbouncer.settings()), schema_context("here"):
        yield pgbouncer


def every_server(pgbouncer: PgBouncer) -> list[tuple[object, ...]]:
    """What each connection to Postgres brings to whoever is given it."""
    with ExitStack() as stack:
        clients = [stack.enter_context(pgbouncer.connect()) for _ in range(SERVERS)]
        return [client.execute(HELD).fetchall()[0] for client in clients]  # each within BEGIN


CLEAN = (True, '"$user", public', 0, 0, 0)


@needs_pgbouncer
def test_threads_of_two_tenants_never_mix_behind_a_pooler_of_transactions(
    pgbouncer: PgBouncer,
) -> None:
    settings = pgbouncer.settings()
    interleave(lambda: connected_through(settings))
    assert every_server(pgbouncer) == [CLEAN] * SERVERS


@needs_pgbouncer
def test_what_is_set_for_a_session_does_reach_others_behind_it(pgbouncer: PgBouncer) -> None:
    """So that the tests here cannot pass because the pooler does not share connections."""
    with connected_through(pgbouncer.settings(POOLER="session")), schema_context("here"):
        make_item("seen")
        with pgbouncer.connect() as stranger:
            seen = stranger.execute("SELECT external_id FROM catalog_item").fetchall()
    assert seen == [("seen",)]


@needs_pgbouncer
def test_schema_and_role_end_with_each_statement_and_each_transaction(pooled: PgBouncer) -> None:
    def stays_clean() -> None:
        look("here")
        assert every_server(pooled) == [CLEAN] * SERVERS

    make_item("one", brand="here")
    stays_clean()
    with transaction.atomic():
        make_item("two", brand="here")
    stays_clean()
    with suppress(Regret), transaction.atomic():
        make_item("three", brand="here")
        regret()
    stays_clean()
    with transaction.atomic():
        with suppress(IntegrityError), transaction.atomic():
            make_item("one", brand="here")
        with suppress(Regret), transaction.atomic(), schema_context("there"):
            assert place()[0] == "there"
            assert not Item.objects.exists()
            regret()
        make_item("four", brand="here")
    stays_clean()
    with pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM there_is_no_such_table")
    stays_clean()
    with pytest.raises(ProgrammingError, match="permission denied"):
        connection.cursor().execute("SELECT * FROM there.catalog_item")
    stays_clean()
    assert set(Item.objects.values_list("external_id", flat=True)) == {"one", "two", "four"}


@needs_pgbouncer
def test_what_a_transaction_set_is_not_believed_in_the_next(pooled: PgBouncer) -> None:
    """Transactions of the connection's own, too, which Django's does not know of."""
    make_item("one", brand="here")
    with connection.cursor() as cursor:
        for _ in range(2):
            with transaction.atomic():
                look("here")
            with connection.connection.transaction():
                look("here")
            cursor.executemany("UPDATE catalog_item SET brand = %s", [["here"]] * 2)
            look("here")
    assert every_server(pooled) == [CLEAN] * SERVERS


@needs_pgbouncer
def test_whatever_takes_more_than_one_message_is_one_transaction(pooled: PgBouncer) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE catalog_item SET brand = %s WHERE external_id = %s", [["here", "a"]] * 3
        )
        make_item("100%", brand="here")
        with cursor.copy("COPY (SELECT external_id FROM catalog_item) TO STDOUT") as copy:
            assert b"".join(bytes(part) for part in copy) == b"100%\n"
        cursor.execute("SELECT 1; SELECT 2")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("SELECT count(*) FROM catalog_item WHERE external_id LIKE '%%\\%%'", [])
        assert cursor.fetchone() == (1,)
        cursor.execute("SELECT current_setting('hnsw.iterative_scan'), current_setting('jit')")
        assert cursor.fetchone() == ("relaxed_order", "off")
        cursor.execute("-- nothing")
    assert [item.external_id for item in Item.objects.iterator(chunk_size=1)] == ["100%"]
    with transaction.atomic():
        assert [item.external_id for item in Item.objects.iterator(chunk_size=1)] == ["100%"]
    assert every_server(pooled) == [CLEAN] * SERVERS


@needs_pgbouncer
@pytest.mark.parametrize(
    "statement",
    ["SET search_path = there", "set role 'attune'", "SET SESSION statement_timeout = 1",
     "LISTEN news", "PREPARE mine AS SELECT 1", "SELECT pg_advisory_lock(1)",
     "SELECT pg_try_advisory_lock(1)", "CREATE TEMPORARY TABLE mine (id int)",
     "DECLARE mine CURSOR WITH HOLD FOR SELECT 1", "DISCARD ALL"],
)  # fmt: skip
def test_what_needs_a_connection_of_its_own_is_refused_before_it_is_sent(
    pooled: PgBouncer, statement: str
) -> None:
    with pytest.raises(NotSupportedError, match="a connection of its own"):
        connection.cursor().execute(statement)
    with transaction.atomic(), connection.cursor() as cursor:
        for allowed in (
            "SET LOCAL statement_timeout = 1000",
            "SET CONSTRAINTS ALL IMMEDIATE",
            "SELECT pg_advisory_xact_lock(1)",
            "CREATE TEMPORARY TABLE passing ON COMMIT DROP AS SELECT 1",
            "DECLARE trail CURSOR FOR SELECT 1",
        ):
            cursor.execute(allowed)
    assert every_server(pooled) == [CLEAN] * SERVERS


@needs_pgbouncer
def test_a_pooler_that_nobody_named_is_noticed_before_a_tenant_is_entered(
    pgbouncer: PgBouncer,
) -> None:
    settings = pgbouncer.settings(POOLER="none")
    with (
        connected_through(settings),
        schema_context("here"),
        pytest.raises(ImproperlyConfigured, match="DATABASE_POOLER"),
    ):
        Item.objects.exists()


@needs_pgbouncer
def test_a_pooler_of_sessions_serves_all_there_is(committed: TenantPair) -> None:
    with running("session") as pgbouncer:
        try:
            with connected_through(pgbouncer.settings(POOLER="session")):
                for schema in ("here", "there"):
                    with schema_context(schema):
                        make_item("one", brand=schema)
                        look(schema)
                        with connection.cursor() as cursor:
                            cursor.execute("CREATE TEMPORARY TABLE mine (id int)")
                    connection.close()
        finally:
            close_pools()


def test_a_worker_does_not_start_behind_a_pooler_of_transactions(settings: Any) -> None:
    """A feed is staged in temporary tables, and a lock of the session keeps trainings apart."""
    require_sessions()
    settings.DATABASE_POOLER = "transaction"
    with pytest.raises(SystemExit, match="DATABASE_POOLER"):
        require_sessions()


def test_the_check_names_what_a_pooler_rules_out(settings: Any) -> None:
    def found() -> set[str | None]:
        return {message.id for message in run_checks()}

    before = found()
    settings.DATABASE_POOLER = "transactions"
    assert found() - before == {"attune.E007"}
    settings.DATABASE_POOLER = "transaction"
    settings.DATABASE_PREPARE = True
    assert found() - before == {"attune.E008"}
    settings.DATABASE_PREPARE = False
    assert found() == before
