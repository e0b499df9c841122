"""Starting, finding and stopping the embedded services of one project.

DATABASE_URL and REDIS_URL each replace one of them: such a service is never started.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from config.embedded.errors import EmbeddedServiceError
from config.embedded.place import forget_place, open_place, services_folder
from config.embedded.ports import LOOPBACK
from config.embedded.postgres import DATABASE, ROLE, PostgresServer
from config.embedded.server import (
    Server,
    ensure_running,
    running_state,
    state_path,
    stop_server,
)
from config.embedded.state import find_state, locked
from config.embedded.valkey import ValkeyServer

PROJECT_ROOT = Path(__file__).resolve().parents[2]
_REPLACED_BY = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}


@dataclass(frozen=True, slots=True)
class ServiceAddresses:
    """Where the application finds its database and its broker. Both URLs hold a password."""

    database_url: str
    redis_url: str


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What is known of one service.

    `replaced_by` names the environment variable that replaces the embedded one, if it is set;
    `port` is the one it listens on, or did last.
    """

    name: str
    running: bool
    replaced_by: str | None
    port: int | None
    pid: int | None
    data: Path | None


def default_var() -> Path:
    """The folder for everything that is made at run time: $ATTUNE_VAR or `var` in the project."""
    return Path(os.environ.get("ATTUNE_VAR") or PROJECT_ROOT / "var")


def addresses(var: Path) -> ServiceAddresses | None:
    """Where the services are; None if one was never started. Reads files, starts nothing."""
    database_url = os.environ.get("DATABASE_URL") or _address(var, "postgres")
    redis_url = os.environ.get("REDIS_URL") or _address(var, "valkey")
    if database_url is None or redis_url is None:
        return None
    return ServiceAddresses(database_url=database_url, redis_url=redis_url)


def start(var: Path, *, die_with_parent: bool = False) -> ServiceAddresses:
    """Start what does not run yet and return when all of it answers.

    With `die_with_parent` the kernel stops the servers this call started when the calling
    thread ends, however it ends. Raises EmbeddedServiceError with the reason.
    """
    if sys.platform != "linux":
        raise EmbeddedServiceError(
            "The embedded services need Linux; elsewhere set DATABASE_URL and REDIS_URL."
        )
    with locked(services_folder(var) / "lock"):
        place = open_place(var)
        servers: tuple[Server, ...] = (PostgresServer(place), ValkeyServer(place))
        for server in servers:
            if _replacement(server.name) is None:
                ensure_running(server, place, die_with_parent=die_with_parent)
    found = addresses(var)
    assert found is not None
    return found


def stop(var: Path) -> tuple[str, ...]:
    """Stop the services of this project; the names of those that ran. Data and ports stay."""
    if not services_folder(var).exists():
        return ()
    with locked(services_folder(var) / "lock"):
        return _stop_all(var)


def reset(var: Path) -> None:
    """Stop the services and delete their data, passwords and ports for good."""
    if not services_folder(var).exists():
        return
    with locked(services_folder(var) / "lock"):
        _stop_all(var)
        forget_place(open_place(var))


def status(var: Path) -> tuple[ServiceStatus, ...]:
    """Each service as it is now. Changes nothing."""
    started = services_folder(var).exists()
    return tuple(_status(var, name, started=started) for name in _REPLACED_BY)


def _stop_all(var: Path) -> tuple[str, ...]:
    place = open_place(var)
    servers: tuple[Server, ...] = (ValkeyServer(place), PostgresServer(place))
    return tuple(server.name for server in servers if stop_server(server, place))


def _status(var: Path, name: str, *, started: bool) -> ServiceStatus:
    replacement = _replacement(name)
    if replacement is not None or not started:
        return ServiceStatus(
            name, running=False, replaced_by=replacement, port=None, pid=None, data=None
        )
    place = open_place(var)
    server: Server = PostgresServer(place) if name == "postgres" else ValkeyServer(place)
    known = find_state(state_path(place.services, name))
    state = running_state(server, place)
    return ServiceStatus(
        name,
        running=state is not None,
        replaced_by=None,
        port=known.port if known else None,
        pid=state.process.pid if state and state.process else None,
        data=server.data,
    )


def _replacement(name: str) -> str | None:
    variable = _REPLACED_BY[name]
    return variable if os.environ.get(variable) else None


def _address(var: Path, name: str) -> str | None:
    state = find_state(state_path(services_folder(var), name))
    if state is None:
        return None
    if name == "postgres":
        return f"postgresql://{ROLE}:{state.password}@{LOOPBACK}:{state.port}/{DATABASE}"
    return f"redis://:{state.password}@{LOOPBACK}:{state.port}/0"
