"""Processes that a benchmark measures: granian before the product, and what CPU a tree has used."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench import environment

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class WebServer:
    """granian with one worker and one thread, in a process group of its own."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to all of it, as the kernel does when memory runs out."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def serve(application: str = "config.wsgi:application") -> WebServer:
    """Start a server on a free port of loopback and wait until it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1",
            "--port", str(port), "--workers", "1", "--blocking-threads", "1", "--no-ws",
            "--log-level", "warning", application,
        ],
        cwd=environment.ROOT,
        env={**os.environ, "LOG_LEVEL": "WARNING"},
        start_new_session=True,
    )  # fmt: skip
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return WebServer(process, port)
    raise TimeoutError("The server does not answer.")


def cpu_seconds(pid: int) -> float:
    """CPU that a process and its descendants have used, those that ended included."""
    return sum(_own_cpu(member) for member in (pid, *_descendants(pid)))


def postgres_pid() -> int:
    """The server of the benchmark's own cluster."""
    from config.embedded import launcher

    [found] = [s.pid for s in launcher.status(environment.VAR) if s.name == "postgres"]
    assert found is not None
    return found


def peak_megabytes(pid: int | str = "self") -> float:
    """The most memory that a process has had resident so far."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    [peak] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) / 1024


def _own_cpu(pid: int) -> float:
    """proc(5): utime, stime, cutime and cstime are the fields 14 to 17 of stat."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return 0.0
    return sum(map(int, stat.rpartition(")")[2].split()[11:15])) / TICKS


def _descendants(pid: int) -> list[int]:
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    children = [int(child) for child in told.split()]
    return children + [found for child in children for found in _descendants(child)]
