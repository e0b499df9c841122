"""What the tests of the embedded services start, write, read back and wait for."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

from config.embedded import launcher
from config.embedded.launcher import ServiceStatus

COMMAND = (sys.executable, "-m", "config.embedded")


@contextmanager
def empty_var() -> Iterator[Path]:
    """An empty folder that the servers' account may enter; nothing of it is left afterwards."""
    # pytest's own folders of root are closed to everyone else.
    folder = Path(tempfile.mkdtemp(prefix="attune-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder / "var"
    finally:
        for services in folder.rglob("services"):
            launcher.reset(services.parent)
        shutil.rmtree(folder)


def start(var: Path) -> launcher.ServiceAddresses:
    return launcher.start(var, die_with_parent=True)


def status_of(name: str, var: Path) -> ServiceStatus:
    return next(status for status in launcher.status(var) if status.name == name)


def pid_of(name: str, var: Path) -> int:
    pid = status_of(name, var).pid
    assert pid is not None
    return pid


def pids(var: Path) -> dict[str, int | None]:
    return {status.name: status.pid for status in launcher.status(var)}


def remember(var: Path, word: str) -> None:
    """Write `word` into both services."""
    found = launcher.addresses(var)
    assert found is not None
    with psycopg.connect(found.database_url) as connection:
        connection.execute("CREATE TABLE remembered AS SELECT %s::text AS word", [word])
    with redis.Redis.from_url(found.redis_url) as client:
        client.set("remembered", word)


def remembered(var: Path) -> tuple[str, str]:
    """What both services remember."""
    found = launcher.addresses(var)
    assert found is not None
    with psycopg.connect(found.database_url) as connection:
        row = connection.execute("SELECT word FROM remembered").fetchone()
    with redis.Redis.from_url(found.redis_url, decode_responses=True) as client:
        value = client.get("remembered")
    assert row is not None
    return str(row[0]), str(value)


def eventually(claim: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.05)
    return claim()
