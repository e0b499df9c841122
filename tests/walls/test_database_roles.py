"""The second wall: Postgres refuses a tenant's role whatever is not that tenant's."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DataError, InterfaceError, ProgrammingError, transaction
from django_tenants.utils import schema_context
from psycopg.errors import InsufficientPrivilege, UndefinedTable

from catalog.models import Item
from tenants.closing import close_tenant
from tenants.connection import connection
from tenants.database.base import DatabaseWrapper
from tenants.database.names import LONGEST_NAME, owner_of, role_of
from tenants.database.roles import _make_role, as_owner, give_missing_roles
from tenants.errors import DomainError
from tenants.models import Domain, Tenant
from tenants.opening import open_tenant
from tests.conftest import TenantPair
from tests.make import make_item
from tests.walls.planting import Planted, tenant_models
from tests.walls.probes import count_probe

Pair = tuple[Planted, Planted]

TABLES = """
    SELECT c.relkind = 'S', format('%%I.%%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
"""

READING_AND_WRITING = (
    "SELECT 1 FROM {}",
    "COPY {} TO STDOUT",
    "INSERT INTO {} DEFAULT VALUES",
    "DELETE FROM {}",
    "TRUNCATE {}",
    "LOCK TABLE {} IN ACCESS SHARE MODE",
    "DROP TABLE {}",
)
COUNTING = ("SELECT nextval('{}')", "SELECT setval('{}', 1)", "SELECT last_value FROM {}")


@contextmanager
def refused(reason: type[Exception] = InsufficientPrivilege) -> Iterator[None]:
    """Postgres says no, and for this reason."""
    count_probe()
    with pytest.raises(ProgrammingError) as error, transaction.atomic():
        yield
    assert isinstance(error.value.__cause__, reason), error.value


def run(statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def probes(schema: str) -> list[str]:
    """Statements that read, write and destroy each table and sequence of a schema."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES, [schema])
        return [
            probe.format(name)
            for is_sequence, name in cursor.fetchall()
            for probe in (COUNTING if is_sequence else READING_AND_WRITING)
        ]


@pytest.fixture
def without_the_first_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """In our tenant the search path leads to theirs, as if it had been forgotten there."""
    monkeypatch.setattr(DatabaseWrapper, "_get_cursor_search_paths", lambda _: ["theirs", "public"])


def test_sql_that_names_another_schema_is_refused(planted: Pair) -> None:
    for one, other in (planted, planted[::-1]):
        with schema_context(one.tenant.schema_name):
            statements = probes(other.tenant.schema_name)
            assert len(statements) > 300
            for statement in statements:
                with refused():
                    run(statement)
            for _, name in [("", "tenants_tenant"), ("", "tenants_domain")]:
                for probe in READING_AND_WRITING:
                    with refused():
                        run(probe.format(f"public.{name}"))
            with refused():
                run(f'CREATE TABLE "{other.tenant.schema_name}".mine (id int)')
            with refused():
                run("CREATE TABLE public.mine (id int)")


def test_without_the_search_path_every_table_of_another_tenant_still_refuses(
    planted: Pair, without_the_first_wall: None
) -> None:
    connection.set_tenant(planted[0].tenant)
    models = list(tenant_models())
    assert len(models) > 30
    # Names are not looked up in a schema that the role may not use.
    for model in models:
        with refused(UndefinedTable):
            model._base_manager.first()
        with refused(UndefinedTable):
            model._base_manager.all()._raw_delete(using="default")
    with refused(UndefinedTable):
        make_item("ours in theirs")
    for public in (Tenant, Domain):
        with refused():
            public.objects.count()


def test_who_logged_in_reaches_no_tenants_table(planted: Pair) -> None:
    """So that a role that was forgotten opens nothing, too."""
    connection.set_schema_to_public()
    for one in planted:
        for statement in probes(one.tenant.schema_name):
            with refused():
                run(statement)


def test_a_tenants_role_changes_rows_and_no_tables(tenant: Tenant) -> None:
    item = make_item("kept")
    for statement in (
        "CREATE TABLE mine (id int)",
        "ALTER TABLE catalog_item DISABLE TRIGGER ALL",
        "ALTER TABLE catalog_item ADD COLUMN more int",
        "TRUNCATE catalog_item CASCADE",
        "DROP TABLE catalog_item CASCADE",
        "DROP SCHEMA ours CASCADE",
        "CREATE ROLE mine",
    ):
        with refused():
            run(statement)
    run("CREATE TEMPORARY TABLE passing ON COMMIT DROP AS SELECT * FROM catalog_item")
    assert Item.objects.get() == item


def test_nobody_logs_in_as_a_tenant_and_no_role_has_more_than_it_needs(
    tenants: TenantPair, db: None
) -> None:
    name = connection.database_name
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls,"
            " rolinherit FROM pg_roles WHERE rolname = ANY(%s)",
            [[role_of(name, "ours"), role_of(name, "theirs"), owner_of(name)]],
        )
        rights = cursor.fetchall()
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")
        assert cursor.fetchone() == (False,), "the application is no superuser"
        cursor.execute(
            "SELECT DISTINCT inherit_option, set_option FROM pg_auth_members m"
            " JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = session_user"
            " AND NOT m.admin_option"
        )
        assert cursor.fetchall() == [(False, True)], "it acts as them, and inherits nothing"
    assert len(rights) == 3
    assert {rest for _, *rest in map(tuple, rights) for rest in rest} == {False}


def test_names_of_roles_never_meet_and_always_fit() -> None:
    named = {
        role_of(database, schema)
        for database in ("a", "a.b", "attune", "a" * 63, "a" * 62 + "b", "ä" * 31)
        for schema in ("b", "b_c", "owner", "s" * 50, "s" * 49 + "t")
    } | {owner_of(database) for database in ("a", "a.b", "attune", "a" * 63, "ä" * 31)}
    assert len(named) == 6 * 5 + 5
    assert max(len(name.encode()) for name in named) <= LONGEST_NAME


# -- Coming and going -----------------------------------------------------------------------------


def roles_like(schema: str) -> list[tuple[object, ...]]:
    return run(f"SELECT rolname FROM pg_roles WHERE rolname LIKE '%.{schema}'")


@pytest.mark.django_db
@pytest.mark.parametrize("replay", [True, False])
def test_a_tenants_role_comes_and_goes_with_it(tenants: TenantPair, replay: bool) -> None:  # noqa: FBT001
    for _ in range(2):
        tenant = open_tenant(
            schema_name="passing", name="Passing", host="passing.localhost", replay=replay
        )
        with schema_context("passing"):
            make_item("seen")
            with refused():
                run("SELECT * FROM ours.catalog_item")
        with schema_context("ours"), refused():
            run("SELECT * FROM passing.catalog_item")
        assert len(roles_like("passing")) == 1
        close_tenant(tenant)
        assert roles_like("passing") == []


@pytest.mark.django_db
def test_a_tenant_from_before_there_were_roles_is_given_its_own(tenants: TenantPair) -> None:
    open_tenant(schema_name="older", name="Older", host="older.localhost")
    with schema_context("older"):
        make_item("kept")
    name = connection.database_name
    login = run("SELECT session_user")[0][0]
    with schema_context("older"), as_owner():
        run(f'REVOKE ALL ON ALL TABLES IN SCHEMA older FROM "{role_of(name, "older")}"')
        run(f'REVOKE ALL ON ALL SEQUENCES IN SCHEMA older FROM "{role_of(name, "older")}"')
    # As all was before: whoever logged in owned it. Only a superuser could take it back, but who
    # logged in may join the owner for a moment.
    run(f'GRANT "{owner_of(name)}" TO CURRENT_USER WITH INHERIT TRUE')
    run("SET CONSTRAINTS ALL IMMEDIATE")
    tables = run(
        "SELECT relname FROM pg_class WHERE relnamespace = 'older'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    run(f'ALTER SCHEMA older OWNER TO "{login}"')
    for (table,) in tables:
        run(f'ALTER TABLE older."{table}" OWNER TO "{login}"')
    run(f'GRANT "{owner_of(name)}" TO CURRENT_USER WITH INHERIT FALSE')
    with schema_context("older"), refused():
        Item.objects.get()

    give_missing_roles()

    with schema_context("older"):
        assert Item.objects.get().external_id == "kept"
    connection.set_schema_to_public()
    for statement in probes("older"):
        with refused():
            run(statement)


@pytest.mark.django_db
def test_where_roles_may_not_be_made_it_is_said_what_to_run(tenants: TenantPair) -> None:
    connection.set_schema_to_public()
    run("CREATE ROLE of_little_right")
    run("GRANT of_little_right TO CURRENT_USER WITH SET TRUE")
    run("SET LOCAL ROLE of_little_right")
    with pytest.raises(DomainError, match='ALTER ROLE "attune" CREATEROLE;') as error:
        _make_role("attune.refused")
    assert error.value.code == "roles_refused"


# -- Nothing stays --------------------------------------------------------------------------------


def test_a_connection_goes_back_to_the_pool_as_nobodys(committed: TenantPair) -> None:
    for end in ("idle", "in a transaction", "after an error"):
        with schema_context("here"):
            run("CREATE TEMPORARY TABLE left_behind AS SELECT * FROM catalog_item")
            raw = connection.connection
            if end != "idle":
                raw.execute("BEGIN")
            if end == "after an error":
                with pytest.raises(Exception, match="does not exist"):
                    raw.execute("SELECT * FROM there_is_no_such_table")
            connection.close()
        with raw.cursor() as cursor:  # of the connection that lies in the pool now
            cursor.execute(
                "SELECT current_user = session_user, current_setting('search_path'),"
                " to_regclass('pg_temp.left_behind')"
            )
            found = cursor.fetchone()
        assert found == (True, '"$user", public', None), end


def test_a_statement_does_not_run_where_its_role_could_not_be_taken(
    committed: TenantPair,
) -> None:
    """It would run in the schema of whoever had the connection before."""
    assert not Item.objects.exists()
    with schema_context("closed_meanwhile"), pytest.raises(DataError, match="does not exist"):
        Item.objects.exists()
    assert not Item.objects.exists()


def test_a_cursor_goes_where_the_connection_went(tenants: TenantPair, tenant: Tenant) -> None:
    with connection.cursor() as cursor:
        for schema in ("theirs", "ours"):
            with schema_context(schema):  # where nobody but this cursor goes
                cursor.execute("SELECT current_schema(), current_user")
                assert cursor.fetchone() == (schema, role_of(connection.database_name, schema))


def test_a_statement_within_a_copy_is_an_error_and_no_deadlock(tenants: TenantPair) -> None:
    with (
        schema_context("ours"),
        connection.cursor() as cursor,
        cursor.copy("COPY (SELECT 1) TO STDOUT") as copy,
    ):
        with pytest.raises(InterfaceError, match="copying"):
            Item.objects.exists()
        assert list(copy.rows()) == [("1",)]


def test_the_schema_and_the_role_are_entered_by_one_statement(
    tenant: Tenant, django_assert_num_queries: object
) -> None:
    connection.set_tenant(tenant)
    with django_assert_num_queries(2) as queries:  # type: ignore[operator]
        # 1: enter the schema and the role; 2: the query.
        list(Item.objects.all())
    assert queries[0]["sql"].startswith('SET search_path = "ours", "public"; SET ROLE "')


def test_an_error_in_a_transaction_leaves_nothing_of_its_role(
    tenants: TenantPair, tenant: Tenant
) -> None:
    def fail_in_theirs() -> None:
        with transaction.atomic():
            connection.set_tenant(tenants.theirs)
            run("SELECT * FROM there_is_no_such_table")

    with pytest.raises(ProgrammingError):
        fail_in_theirs()
    connection.set_tenant(tenant)
    assert run("SELECT current_user") == [(role_of(connection.database_name, "ours"),)]
