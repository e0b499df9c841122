"""How a server is started, recognized and stopped, whichever server it is."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from config.embedded.errors import EmbeddedServiceError
from config.embedded.identity import (
    ProcessMark,
    end_processes,
    find_mark,
    is_alive,
    pids,
    program_name,
    serves,
)
from config.embedded.place import Account, Place, server_environment
from config.embedded.ports import free_port, is_free, listens
from config.embedded.state import ServerState, find_state, new_password, save_state

START_SECONDS = 120.0  # recovery after a crash may have much to replay
RETRY_SECONDS = 10.0  # what a killed server leaves behind (memory, port) goes within seconds
STOP_SECONDS = 30.0
LOG_LIMIT_BYTES = 10_000_000

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute, and what to say to it on its standard input."""

    argv: tuple[str, ...]
    stdin: str = ""


class Server(Protocol):
    """What the launcher has to know of a server."""

    @property
    def name(self) -> str: ...

    @property
    def data(self) -> Path:
        """Its folder, which is its working directory as well and is named in its arguments."""

    @property
    def programs(self) -> frozenset[str]:
        """The names under which its processes show."""

    @property
    def stop_signal(self) -> signal.Signals:
        """The signal for an orderly and quick stop."""

    def prepare(self) -> None:
        """Make the data folder if there is none."""

    def command(self, state: ServerState) -> Command: ...

    def is_ready(self, state: ServerState) -> bool: ...

    def complete(self, state: ServerState) -> None:
        """What has to exist inside a server that has just been started. Runs at every start."""


def state_path(services: Path, name: str) -> Path:
    return services / f"{name}.json"


def running_state(server: Server, place: Place) -> ServerState | None:
    """The state of the server if it is running and listening, None otherwise."""
    state = find_state(state_path(place.services, server.name))
    if state is None or state.process is None:
        return None
    running = is_alive(state.process) and serves(state.process.pid, server.data)
    return state if running and listens(state.port) else None


def ensure_running(server: Server, place: Place, *, die_with_parent: bool) -> ServerState:
    """Start the server unless it runs. Call it with the lock held.

    A start is tried again for some seconds: after a `kill -9` what the old server left behind
    may take that long to go. A port taken meanwhile is replaced by another.
    """
    if (state := running_state(server, place)) is not None:
        return state
    stop_server(server, place)
    server.prepare()
    path = state_path(place.services, server.name)
    known = find_state(path)
    port = known.port if known else free_port()
    password = known.password if known else new_password()
    give_up = time.monotonic() + RETRY_SECONDS
    while True:
        state = ServerState(port if is_free(port) else free_port(), password, process=None)
        save_state(path, state)
        log = _open_log(place.log / f"{server.name}.log")
        mark = _launch(server.command(state), log, place.account, die_with_parent=die_with_parent)
        if mark is not None:
            state = ServerState(state.port, password, mark)
            save_state(path, state)
            if _becomes_ready(server, state, mark):
                server.complete(state)
                return state
        if time.monotonic() > give_up:
            raise EmbeddedServiceError(
                f"{server.name} does not start. The end of {log}:\n{_tail(log)}"
            )
        time.sleep(0.3)


def stop_server(server: Server, place: Place) -> bool:
    """Stop every process that works on the server's data; whether there was one.

    By the data and not by the remembered pid alone: so a server whose state was lost, and the
    backends of one that was killed, go too.
    """
    marks = [
        mark
        for pid in pids()
        if program_name(pid) in server.programs
        and serves(pid, server.data)
        and (mark := find_mark(pid)) is not None
    ]
    end_processes(marks, server.stop_signal, STOP_SECONDS)
    _reap()
    return bool(marks)


def _becomes_ready(server: Server, state: ServerState, mark: ProcessMark) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while is_alive(mark):
        if server.is_ready(state):
            return True
        if time.monotonic() > deadline:
            end_processes([mark], server.stop_signal, STOP_SECONDS)
            break
        time.sleep(0.02)
    return False


# Kept so that a process which ends while we live can be waited for.
_children: list[subprocess.Popen[bytes]] = []


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]


def _launch(
    command: Command, log: Path, account: Account | None, *, die_with_parent: bool
) -> ProcessMark | None:
    """Start the process in a session of its own, so that Ctrl-C at our terminal spares it.

    None if it ended before it could be marked.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            command.argv,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=server_environment(),
            start_new_session=True,
            user=account and account.uid,
            group=account and account.gid,
            extra_groups=account and [],
            preexec_fn=_dying_with_parent() if die_with_parent else None,  # noqa: PLW1509
        )
    _children.append(child)
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(command.stdin.encode())
    return find_mark(child.pid)


def _dying_with_parent() -> Callable[[], None]:
    """What a child runs before its program, so that the kernel ends it when we die (prctl(2)).

    "We" is the thread that starts the server, not the process: start it from one that stays.
    """
    if sys.platform != "linux":
        raise EmbeddedServiceError("Servers that die with their parent need Linux.")
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask_for_death_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_for_death_signal


def _open_log(log: Path) -> Path:
    """The log to append to; a large one is put aside first, in place of the one before it."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))
    log.touch(mode=0o600)
    return log


def _tail(log: Path, size: int = 2_000) -> str:
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - size))
        return file.read().decode(errors="replace").strip()
