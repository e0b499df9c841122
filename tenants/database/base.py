"""A connection that is in one schema, and in that tenant's role, at a time.

django-tenants sets the search path before a cursor is used. The role goes with it, in the same
statement: whoever is in a tenant's schema is refused by Postgres wherever else a statement leads.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, ClassVar

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base as postgresql
from django_tenants.postgresql_backend import base
from psycopg import sql
from psycopg.pq import PipelineStatus, TransactionStatus

from tenants.database.names import PUBLIC, owner_of, role_of

LOGIN = ""
"""The role of who logged in."""

LEAVE = "RESET ROLE; RESET search_path; DISCARD TEMP"
"""What makes a connection nobody's again. Temporary tables are a tenant's, too."""


class Entrance(str):
    """The statement that enters a search path and a role.

    Not a SELECT of `set_config`: a transaction's isolation level can be set after a SET, but not
    after a query.
    """

    __slots__ = ()


@lru_cache(maxsize=10_000)
def entrance(paths: tuple[str, ...], role: str) -> Entrance:
    """How to enter `paths` as `role`, in one round trip."""
    path = sql.SQL(", ").join(map(sql.Identifier, paths))
    name = sql.SQL("NONE") if role == LOGIN else sql.Identifier(role)
    statement = sql.SQL("SET search_path = {}; SET ROLE {}").format(path, name)
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
            asked = psycopg.Cursor(self.connection).execute("SELECT current_database()")
            self._databases[place] = str(asked.fetchall()[0][0])
        return self._databases[place]

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
        return params

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = super().create_cursor(name)
        if isinstance(cursor, EnteringCursor):
            cursor.enter = self._handle_search_path
        return cursor

    def _handle_search_path(self, cursor: Any = None) -> None:
        """Overrides django-tenants', which goes on when the path could not be set: the statement
        would then run in the schema, and the role, of whoever had the connection before."""
        if self._setting_search_path or self.search_path_set_schemas:
            return
        if not self.schema_name:
            raise ImproperlyConfigured("The connection is in no schema.")
        if self.connection.info.transaction_status == TransactionStatus.INERROR:
            return  # Postgres refuses whatever follows, until the rollback
        paths = self._get_cursor_search_paths()
        self._setting_search_path = True
        try:
            statement = entrance(tuple(paths), self.role)
            # Over the caller's cursor where there is one, so that queries are counted in full.
            (cursor or self.connection.cursor()).execute(statement)
            self.search_path_set_schemas = paths
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
            psycopg.Cursor(connection).execute(LEAVE, prepare=False)
        except psycopg.Error:
            connection.close()  # the pool makes another one
