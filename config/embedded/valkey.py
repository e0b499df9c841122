"""Valkey, the broker and cache, with a generated password and every write logged."""

import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from config.embedded.binaries import VALKEY_NAMES, valkey_program
from config.embedded.place import Place, check_data_folder, make_data_folder
from config.embedded.ports import LOOPBACK
from config.embedded.server import Command
from config.embedded.state import ServerState


@dataclass(frozen=True, slots=True)
class ValkeyServer:
    """A server with its data in the folder `valkey` of the place's home."""

    name: ClassVar[str] = "valkey"
    programs: ClassVar[frozenset[str]] = frozenset(VALKEY_NAMES)
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    place: Place

    @property
    def data(self) -> Path:
        return self.place.home / "valkey"

    def prepare(self) -> None:
        if self.data.exists():
            check_data_folder(self.data, self.place.account)
        else:
            make_data_folder(self.data, self.place.account)

    def command(self, state: ServerState) -> Command:
        """The password goes by standard input: arguments can be read by every account."""
        settings = {
            "bind": LOOPBACK,
            "port": str(state.port),
            "requirepass": state.password,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',  # the append-only file alone holds the data
            "maxmemory-policy": "noeviction",  # a task queue must not lose entries silently
            "daemonize": "no",
            "set-proc-title": "no",  # the arguments, by which we know it again, stay visible
        }
        lines = "".join(f"{name} {value}\n" for name, value in settings.items())
        program = str(valkey_program(self.place))
        return Command((program, "-", "--dir", str(self.data)), stdin=lines)

    def is_ready(self, state: ServerState) -> bool:
        """Whether it answers a ping; while it reads its data it answers with an error.

        It has to name its pid as well: on a port taken meanwhile the server of a copied project,
        with the same password, may answer until ours has given up.
        """
        try:
            with socket.create_connection((LOOPBACK, state.port), timeout=1) as connection:
                lines = f"AUTH {state.password}\r\nPING\r\nINFO server\r\nQUIT\r\n"
                connection.sendall(lines.encode())
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
        except OSError:
            return False
        pid = state.process.pid if state.process else None
        return answer.startswith(b"+OK\r\n+PONG\r\n") and f"process_id:{pid}\r" in answer.decode()

    def complete(self, state: ServerState) -> None:
        """Nothing: an empty Valkey is a whole one."""
