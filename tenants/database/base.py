"""A connection that is in one schema, and in that tenant's role, at a time.

django-tenants sets the search path before a cursor is used. The role goes with it, in the same
statement: whoever is in a tenant's schema is refused by Postgres wherever else a statement leads.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, ClassVar

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base as postgresql
from django_tenants.postgresql_backend import base
from psycopg import sql
from psycopg.pq import PipelineStatus, TransactionStatus

from tenants.database.names import PUBLIC, owner_of, role_of
from tenants.database.pooler import (
    PARAMETERS,
    Pooler,
    refuse_what_outlives_a_transaction,
    require_honesty,
)

LOGIN = ""
"""The role of who logged in."""

LEAVE = "RESET ROLE; RESET search_path; DISCARD TEMP"
"""What makes a connection nobody's again. Temporary tables are a tenant's, too."""


STATEMENTS_BEHIND_A_POOLER = 2 + len(PARAMETERS)
"""Of an entrance: path and role, and what else would be set when connecting."""


class Entrance(str):
    """The statement that enters a search path and a role.

    Not a SELECT of `set_config`: a transaction's isolation level can be set after a SET, but not
    after a query.
    """

    __slots__ = ()


@lru_cache(maxsize=10_000)
def entrance(
    paths: tuple[str, ...], role: str, pooler: Pooler = Pooler.NONE, *, once: bool = False
) -> Entrance:
    """How to enter `paths` as `role`, in one round trip.

    With `once` for the transaction only. Behind a pooler with the parameters that are otherwise
    given when connecting.
    """
    how = sql.SQL("SET LOCAL") if once else sql.SQL("SET")
    statement = sql.SQL("{how} search_path = {path}; {how} ROLE {role}").format(
        how=how,
        path=sql.SQL(", ").join(map(sql.Identifier, paths)),
        role=sql.SQL("NONE") if role == LOGIN else sql.Identifier(role),
    )
    parameters = PARAMETERS if pooler != Pooler.NONE else {}
    for name, value in parameters.items():
        place = sql.SQL(".").join(map(sql.Identifier, name.split(".")))
        statement += sql.SQL("; {} {} = {}").format(how, place, sql.Literal(value))
    return Entrance(statement.as_string(None))


class EnteringCursor:
    """Looks before every statement whether the connection is where it says: another cursor may
    have been in another schema since this one was opened."""

    enter: Callable[[], None] | None = None
    """Set for cursors that queries run on; Django asks whether a connection lives without it."""

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(query, Entrance):
            # Two statements cannot be prepared together, as psycopg would after some times.
            return super().execute(query, *args, prepare=False, **kwargs)  # type: ignore[misc]  # psycopg's
        self._refuse_within_copy()
        if self.enter is not None:
            self.enter()
        return super().execute(query, *args, **kwargs)  # type: ignore[misc]  # psycopg's

    def executemany(self, *args: Any, **kwargs: Any) -> Any:
        if self.enter is not None:
            self.enter()
        return super().executemany(*args, **kwargs)  # type: ignore[misc]  # psycopg's

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        if self.enter is not None:
            self.enter()
        return super().copy(*args, **kwargs)  # type: ignore[misc]  # psycopg's

    def _refuse_within_copy(self) -> None:
        """Who asks for something while copying would wait for itself for ever."""
        info = self.connection.info  # type: ignore[attr-defined]  # psycopg's
        if (
            info.transaction_status == TransactionStatus.ACTIVE
            and info.pipeline_status == PipelineStatus.OFF
        ):
            raise psycopg.InterfaceError("This connection is copying: end that first.")


class ServerBindingCursor(EnteringCursor, postgresql.ServerBindingCursor):  # type: ignore[name-defined,misc]  # not in the stubs
    """Parameters are bound by the server."""


class ClientBindingCursor(EnteringCursor, postgresql.Cursor):  # type: ignore[name-defined,misc]  # not in the stubs
    """Parameters are bound by psycopg."""


class PooledCursor(ClientBindingCursor):
    """Behind a pooler that gives the connection away after each transaction.

    What is set for a session would be somebody else's by the next statement. So a statement outside
    of a transaction brings schema and role along, in one message of the simple protocol, which
    Postgres runs as one transaction.
    """

    wrapper: "DatabaseWrapper | None" = None

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        if isinstance(query, Entrance) or self.wrapper is None:
            return super().execute(query, params, **kwargs)
        text = query if isinstance(query, str) else self.mogrify(query)
        in_transaction = self.wrapper.in_transaction
        refuse_what_outlives_a_transaction(text, in_transaction=in_transaction)
        if in_transaction:
            return super().execute(query, params, **kwargs)
        self._refuse_within_copy()
        ahead = self.wrapper.entrance
        super().execute(Entrance(f"{ahead}; {self.mogrify(query, params)}"))
        with suppress(IndexError):  # nothing but a comment has no result
            self.set_result(STATEMENTS_BEHIND_A_POOLER)
        return self

    def executemany(self, *args: Any, **kwargs: Any) -> Any:
        with self._transaction():
            return super().executemany(*args, **kwargs)

    @contextmanager
    def copy(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with self._transaction(), super().copy(*args, **kwargs) as copy:
            yield copy

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Of its own where there is none: for what is more than one message."""
        if self.wrapper is None or self.wrapper.in_transaction:
            yield
            return
        self.wrapper.search_path_set_schemas = None
        try:
            with self.connection.transaction():
                yield
        finally:
            self.wrapper.search_path_set_schemas = None


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]  # django-tenants is untyped
    """Enters schema and role with one statement, before the first one after either was changed."""

    # By host, port and name: what the server calls the database, which a pooler may rename.
    _databases: ClassVar[dict[tuple[str, str, str], str]] = {}
    _acting_as_owner = False
    _setting_search_path: bool

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        """Act as who owns the tenants' tables; without effect in `public`. See `roles`."""
        before, self._acting_as_owner = self._acting_as_owner, True
        self.search_path_set_schemas = None
        try:
            yield
        finally:
            self._acting_as_owner = before
            self.search_path_set_schemas = None

    @property
    def database_name(self) -> str:
        """The server's name for the database; asked once a process."""
        place = self.settings_dict["HOST"], self.settings_dict["PORT"], self.settings_dict["NAME"]
        if place not in self._databases:
            self.ensure_connection()
            asked = psycopg.Cursor(self.connection).execute(
                "SELECT current_database(), pg_backend_pid()"
            )
            [(name, process)] = asked.fetchall()
            require_honesty(self.pooler, noticed=process != self.connection.info.backend_pid)
            self._databases[place] = str(name)
        return self._databases[place]

    @property
    def pooler(self) -> Pooler:
        return Pooler(self.settings_dict.get("POOLER", Pooler.NONE))

    @property
    def in_transaction(self) -> bool:
        """Whether what is set now holds for the next statement, too, behind any pooler."""
        status = self.connection.info.transaction_status
        return not self.connection.autocommit or status != TransactionStatus.IDLE

    @property
    def entrance(self) -> Entrance:
        """What brings a statement to the current schema, in its role."""
        return entrance(
            tuple(self._get_cursor_search_paths()),
            self.role,
            self.pooler,
            once=self.pooler == Pooler.TRANSACTION,
        )

    @property
    def role(self) -> str:
        """Who acts in the current schema."""
        if self.schema_name == PUBLIC:
            return LOGIN
        if self._acting_as_owner:
            return owner_of(self.database_name)
        return role_of(self.database_name, self.schema_name)

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        binds = self.settings_dict["OPTIONS"].get("server_side_binding") is True
        params["cursor_factory"] = ServerBindingCursor if binds else ClientBindingCursor
        if self.pooler == Pooler.TRANSACTION:
            params["cursor_factory"] = PooledCursor
        return params

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = super().create_cursor(name)
        if isinstance(cursor, EnteringCursor):
            cursor.enter = self._handle_search_path
        if isinstance(cursor, PooledCursor):
            cursor.wrapper = self
        return cursor

    def chunked_cursor(self) -> Any:
        """A cursor on the server outlives its statement in a transaction only."""
        if self.pooler == Pooler.TRANSACTION and not self.in_atomic_block:
            return self.cursor()
        return super().chunked_cursor()

    def _set_autocommit(self, autocommit: bool) -> None:  # noqa: FBT001  # Django's
        super()._set_autocommit(autocommit)
        if self.pooler == Pooler.TRANSACTION:
            self.search_path_set_schemas = None  # it ended with the transaction

    def _handle_search_path(self, cursor: Any = None) -> None:
        """Overrides django-tenants', which goes on when the path could not be set: the statement
        would then run in the schema, and the role, of whoever had the connection before."""
        if self._setting_search_path:
            return
        if self.pooler == Pooler.TRANSACTION:
            if not self.in_transaction:
                return  # each statement enters by itself
            if self.connection.info.transaction_status == TransactionStatus.IDLE:
                self.search_path_set_schemas = None  # of a transaction that is over
        if self.search_path_set_schemas:
            return
        if not self.schema_name:
            raise ImproperlyConfigured("The connection is in no schema.")
        if self.connection.info.transaction_status == TransactionStatus.INERROR:
            return  # Postgres refuses whatever follows, until the rollback
        self._setting_search_path = True
        try:
            statement = self.entrance
            # Over the caller's cursor where there is one, so that queries are counted in full.
            (cursor or self.connection.cursor()).execute(statement)
            self.search_path_set_schemas = self._get_cursor_search_paths()
        finally:
            self._setting_search_path = False

    def _close(self) -> None:
        """A connection goes back to the pool as nobody's. The response is out by then."""
        if self.connection is not None and self.pool:
            self._leave(self.connection)
        super()._close()

    def _leave(self, connection: "psycopg.Connection[Any]") -> None:
        status = connection.info.transaction_status
        try:
            if status in {TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN}:
                return  # the pool throws it away
            connection.rollback()
            connection.autocommit = True  # what a transaction sets would be undone with it
            if self.pooler == Pooler.TRANSACTION:
                return  # nothing was set for longer than that
            psycopg.Cursor(connection).execute(LEAVE, prepare=False)
        except psycopg.Error:
            connection.close()  # the pool makes another one
