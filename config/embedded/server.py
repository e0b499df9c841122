"""How a server is started, recognized and stopped, whichever server it is."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from config.embedded.logs import end_of_log, open_log
from config.embedded.place import Place, server_environment
from config.embedded.ports import free_port, is_free, listens
from config.embedded.state import ServerState, find_state, new_password, save_state

START_SECONDS = 120.0  # recovery after a crash may have much to replay
RETRY_SECONDS = 10.0  # what a killed server leaves behind (memory, port) goes within seconds
STOP_SECONDS = 30.0

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute, and what to say to it on its standard input."""

    argv: tuple[str, ...]
    stdin: str = ""


class Server(Protocol):
    """What starting and stopping have to know of a server."""

    @property
    def name(self) -> str: ...

    @property
    def place(self) -> Place: ...

    @property
    def data(self) -> Path:
        """Its folder, which is its working directory as well and is named in its arguments."""

    @property
    def programs(self) -> frozenset[str]:
        """The names under which its processes show."""

    @property
    def stop_signal(self) -> signal.Signals:
        """The signal for an orderly stop that does not wait for clients."""

    def prepare(self) -> None:
        """Make the data folder if there is none."""

    def command(self, state: ServerState) -> Command: ...

    def is_ready(self, state: ServerState) -> bool: ...

    def complete(self, state: ServerState) -> None:
        """Make what has to exist inside a server that was just started, if it does not."""


def state_path(services: Path, name: str) -> Path:
    return services / f"{name}.json"


def log_path(server: Server) -> Path:
    return server.place.log / f"{server.name}.log"


def running_state(server: Server) -> ServerState | None:
    """The state of the server if it is running and listening, None otherwise."""
    state = find_state(state_path(server.place.services, server.name))
    if state is None or state.process is None:
        return None
    running = is_alive(state.process) and serves(state.process.pid, server.data)
    return state if running and listens(state.port) else None


def ensure_running(server: Server, *, die_with_parent: bool) -> None:
    """Start the server unless it runs. Call it with the lock held.

    A start is tried again for some seconds: after a `kill -9` what the old server left behind
    may take that long to go. A port taken meanwhile is replaced by another.
    """
    if running_state(server) is not None:
        return
    stop_server(server)
    server.prepare()
    path = state_path(server.place.services, server.name)
    state = find_state(path) or ServerState(free_port(), new_password(), process=None)
    give_up = time.monotonic() + RETRY_SECONDS
    while True:
        if not is_free(state.port):
            state = replace(state, port=free_port())
        process = _try_to_start(server, state, die_with_parent=die_with_parent)
        if process is not None:
            break
        if time.monotonic() > give_up:
            raise EmbeddedServiceError(
                f"{server.name} does not start. The end of {log_path(server)}:\n"
                f"{end_of_log(log_path(server))}"
            )
        time.sleep(0.2)
    started = replace(state, process=process)
    # The password first, since it may be set inside now; the process only when all is complete.
    # If we are killed between, the next start finds a server without a process and starts anew.
    save_state(path, replace(state, process=None))
    try:
        server.complete(started)
    except EmbeddedServiceError:
        stop_server(server)
        raise
    save_state(path, started)


def stop_server(server: Server) -> bool:
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


def _try_to_start(
    server: Server, state: ServerState, *, die_with_parent: bool
) -> ProcessMark | None:
    """The process once it is ready; None if it ended before that."""
    process = _launch(server, state, die_with_parent=die_with_parent)
    deadline = time.monotonic() + START_SECONDS
    while process is not None and is_alive(process):
        if server.is_ready(replace(state, process=process)):
            return process
        if time.monotonic() > deadline:
            end_processes([process], server.stop_signal, STOP_SECONDS)
        time.sleep(0.02)
    return None


# Kept so that a process which ends while we live can be waited for.
_children: list[subprocess.Popen[bytes]] = []


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]


def _launch(server: Server, state: ServerState, *, die_with_parent: bool) -> ProcessMark | None:
    """Start the process in a session of its own, so that Ctrl-C at our terminal spares it."""
    command = server.command(state)
    account = server.place.account
    log = log_path(server)
    open_log(log)
    with log.open("ab") as output, open(os.memfd_create("stdin"), "w+") as stdin:
        stdin.write(command.stdin)
        stdin.seek(0)
        child = subprocess.Popen(
            command.argv,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=server_environment(),
            umask=0o077,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=_dying_with_parent(server.stop_signal) if die_with_parent else None,  # noqa: PLW1509
        )
    _children.append(child)
    return find_mark(child.pid)


def _dying_with_parent(how: signal.Signals) -> Callable[[], None]:
    """What a child runs before its program, so that the kernel ends it when we die (prctl(2)).

    "We" is the thread that starts the server, not the process: start it from one that stays.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask_for_death_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, how)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_for_death_signal
