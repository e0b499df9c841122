"""Valkey, the broker and cache, with a generated password and every write logged."""

import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded.binaries import valkey_program
from config.embedded.place import Place, make_data_folder
from config.embedded.ports import LOOPBACK
from config.embedded.server import Command
from config.embedded.state import ServerState


@dataclass(frozen=True, slots=True)
class ValkeyServer:
    place: Place
    name: str = "valkey"
    programs: frozenset[str] = frozenset({"valkey-server", "redis-server"})
    stop_signal: signal.Signals = signal.SIGTERM
    data: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", self.place.home / "valkey")

    def prepare(self) -> None:
        if not self.data.exists():
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
        program = str(valkey_program(self.place))
        lines = "".join(f"{name} {value}\n" for name, value in settings.items())
        return Command((program, "-", "--dir", str(self.data)), stdin=lines)

    def is_ready(self, state: ServerState) -> bool:
        """Whether it answers a ping; while it reads its data it answers with an error."""
        try:
            with socket.create_connection((LOOPBACK, state.port), timeout=1) as connection:
                connection.sendall(f"AUTH {state.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (received := connection.recv(1024)):
                    answer += received
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def complete(self, state: ServerState) -> None:
        """Nothing: an empty Valkey is a whole one."""
