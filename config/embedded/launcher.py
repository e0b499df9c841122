"""Starting, finding and stopping the embedded services of one project.

DATABASE_URL and REDIS_URL each replace one of them: such a service is never started.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from config.embedded.errors import EmbeddedServiceError
from config.embedded.logs import delete_log
from config.embedded.place import (
    PROJECT_ROOT,
    Place,
    find_place,
    forget_place,
    open_place,
    services_folder,
)
from config.embedded.ports import LOOPBACK
from config.embedded.postgres import DATABASE, ROLE, PostgresServer
from config.embedded.server import (
    Server,
    ensure_running,
    log_path,
    running_state,
    state_path,
    stop_server,
)
from config.embedded.state import find_state, locked
from config.embedded.valkey import ValkeyServer

REPLACEMENTS = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}


@dataclass(frozen=True, slots=True)
class ServiceAddresses:
    """Where the application finds its database and its broker. Both URLs hold a password."""

    database_url: str
    redis_url: str


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What is known of one service.

    `replaced_by` is the environment variable that replaces the embedded one, if it is set.
    `pid` and `port` are None unless it runs.
    """

    name: str
    running: bool
    replaced_by: str | None
    port: int | None
    pid: int | None
    data: Path


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
    thread ends, however it ends. Raises EmbeddedServiceError with the reason and a way out.
    """
    if sys.platform != "linux":
        raise EmbeddedServiceError(
            "The embedded services need Linux; elsewhere set DATABASE_URL and REDIS_URL."
        )
    with locked(services_folder(var) / "lock"):
        for server in _servers(open_place(var)):
            if _replacement(server.name) is None:
                ensure_running(server, die_with_parent=die_with_parent)
        found = addresses(var)
    if found is None:
        raise EmbeddedServiceError(f"The services' state in {services_folder(var)} has vanished.")
    return found


def stop(var: Path) -> tuple[str, ...]:
    """Stop the services of this project; the names of those that ran. Data and ports stay."""
    if not services_folder(var).exists():
        return ()
    with locked(services_folder(var) / "lock"):
        return tuple(server.name for server in _servers(find_place(var)) if stop_server(server))


def status(var: Path) -> tuple[ServiceStatus, ...]:
    """Each service as it is now. Changes nothing."""
    return tuple(_status(server) for server in _servers(find_place(var)))


def reset(var: Path) -> None:
    """Stop the services and delete their data, passwords, ports and logs for good."""
    if not services_folder(var).exists():
        return
    with locked(services_folder(var) / "lock"):
        place = find_place(var)
        for server in _servers(place):
            stop_server(server)
            delete_log(log_path(server))
        forget_place(place)


def _servers(place: Place) -> tuple[Server, ...]:
    return (PostgresServer(place), ValkeyServer(place))


def _status(server: Server) -> ServiceStatus:
    state = running_state(server)
    return ServiceStatus(
        name=server.name,
        running=state is not None,
        replaced_by=_replacement(server.name),
        port=state.port if state else None,
        pid=state.process.pid if state and state.process else None,
        data=server.data,
    )


def _replacement(name: str) -> str | None:
    variable = REPLACEMENTS[name]
    return variable if os.environ.get(variable) else None


def _address(var: Path, name: str) -> str | None:
    state = find_state(state_path(services_folder(var), name))
    if state is None:
        return None
    if name == "postgres":
        return f"postgresql://{ROLE}:{state.password}@{LOOPBACK}:{state.port}/{DATABASE}"
    return f"redis://:{state.password}@{LOOPBACK}:{state.port}/0"
