"""A PgBouncer of the tests' own, in front of their database, and Django's connection through it."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from django.db import connections

from config.embedded.place import find_place, server_environment
from config.embedded.ports import LOOPBACK, free_port, listens
from tenants.connection import connection
from tenants.database.base import DatabaseWrapper
from tests.services import VAR

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
"""Debian's package `pgbouncer`, which `make test` installs where it may."""

SERVERS = 3
"""Connections to Postgres, fewer than there are threads: they have to share them."""

SECONDS_TO_START = 20


@dataclass(frozen=True, slots=True)
class PgBouncer:
    """Where one listens, and how it pools."""

    port: int
    pool_mode: str

    def settings(self, **changed: Any) -> dict[str, Any]:
        """Django's settings of a database behind it; the test's own database."""
        found = deepcopy(connection.settings_dict)
        options = {name: value for name, value in found["OPTIONS"].items() if name != "options"} | {
            "server_side_binding": False,
            "prepare_threshold": None,
        }
        return {
            **found,
            "PORT": str(self.port),
            "POOLER": "transaction",
            "OPTIONS": options,
        } | changed

    def connect(self) -> "psycopg.Connection[Any]":
        """As any other program connects."""
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            dbname=connection.settings_dict["NAME"],
            user=connection.settings_dict["USER"],
            password=connection.settings_dict["PASSWORD"],
            prepare_threshold=None,
        )


@contextmanager
def running(pool_mode: str) -> Iterator[PgBouncer]:
    """Start one, and stop it at the end."""
    assert PROGRAM is not None
    found, port, account = connection.settings_dict, free_port(), find_place(VAR).account
    folder = Path(tempfile.mkdtemp(prefix="attune-pgbouncer-"))
    (folder / "users").write_text(f'"{found["USER"]}" "{found["PASSWORD"]}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
* = host={found["HOST"]} port={found["PORT"]}

[pgbouncer]
listen_addr = {LOOPBACK}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = {pool_mode}
default_pool_size = {SERVERS}
logfile = {folder}/log
"""
    )
    if account is not None:  # it refuses to run as root
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.uid, account.gid)
    process = subprocess.Popen(
        [PROGRAM, "-q", str(folder / "pgbouncer.ini")],
        env=server_environment(),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        cwd="/",
    )
    try:
        until = time.monotonic() + SECONDS_TO_START
        while not listens(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, "PgBouncer does not start."
            time.sleep(0.05)
        yield PgBouncer(port, pool_mode)
    finally:
        process.terminate()
        process.wait(SECONDS_TO_START)
        shutil.rmtree(folder)


class Through(DatabaseWrapper):
    """With a pool, and a memory, of its own beside those of the direct connection."""

    _connection_pools: ClassVar[dict[str, Any]] = {}  # as Django has it
    _databases: ClassVar[dict[tuple[str, str, str], str]] = {}


@contextmanager
def connected_through(settings: dict[str, Any]) -> Iterator[None]:
    """In this thread Django's connection leads through PgBouncer."""
    direct = connections["default"]
    wrapper = Through(settings, "default")
    connections["default"] = wrapper
    try:
        yield
    finally:
        wrapper.close()
        connections["default"] = direct


def close_pools() -> None:
    """At the end of a test; PgBouncer is stopped next."""
    for pool in Through._connection_pools.values():
        pool.close()
    Through._connection_pools.clear()
    Through._databases.clear()
