"""Asking a running server as a storefront does, and what the processes spend on answering."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import environment


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    seconds: float


@contextmanager
def serving() -> Iterator[tuple[int, int]]:
    """A web process with one thread on a port of its own: port and pid."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1",
            "--port", str(port), "--workers", "1", "--blocking-threads", "1", "--no-ws",
            "--log-level", "warning", "bench.wsgi:application",
        ],
        cwd=environment.ROOT,
        env={**os.environ, "LOG_LEVEL": "WARNING"},
    )  # fmt: skip
    try:
        _wait_for(port)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("The server does not answer.")


class KeptAlive:
    """One connection to the server that stays open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connect()

    def _connect(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str, *, host: str, key: str) -> Answer:
        try:
            return self._get(path, {"Host": host, "Authorization": f"Bearer {key}"})
        except http.client.RemoteDisconnected:
            self._connect()  # the server closed it while nothing was asked for long
            return self._get(path, {"Host": host, "Authorization": f"Bearer {key}"})

    def _get(self, path: str, headers: dict[str, str]) -> Answer:
        started = time.perf_counter()
        self._connection.request("GET", path, headers=headers)
        response = self._connection.getresponse()
        body = response.read()
        return Answer(response.status, body, time.perf_counter() - started)


def cpu_seconds(pid: int) -> float:
    """What a process and its children alive have spent so far, user and system."""
    ticks = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # proc(5): after the name in parentheses come state, parent, … utime 12th, stime 13th.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended just now
        parents[int(entry.name)] = int(fields[1])
        spent[int(entry.name)] = (int(fields[11]) + int(fields[12])) / ticks
    family = {pid}
    while found := {child for child, parent in parents.items() if parent in family} - family:
        family |= found
    return sum(spent.get(member, 0.0) for member in family)
