"""What `start`, `stop`, `status` and `reset` do and print, on either command line."""

from collections.abc import Callable
from pathlib import Path

from config.embedded import launcher
from config.embedded.launcher import ServiceStatus

ACTIONS = ("start", "stop", "status", "reset")
EXIT_DOWN = 3  # what `systemctl status` says of a unit that does not run


def run(action: str, var: Path, write: Callable[[str], object]) -> int:
    """Do the action, write one line for each service, and return the exit code."""
    match action:
        case "start":
            launcher.start(var)
        case "stop":
            launcher.stop(var)
        case "reset":
            launcher.reset(var)
    statuses = launcher.status(var)
    for status in statuses:
        write(f"{describe(status)}\n")
    down = any(not status.running and status.replaced_by is None for status in statuses)
    return EXIT_DOWN if action == "status" and down else 0


def describe(status: ServiceStatus) -> str:
    if status.running:
        line = f"{status.name}: running, port {status.port}, pid {status.pid}, data {status.data}"
        return f"{line} (not used: {status.replaced_by} is set)" if status.replaced_by else line
    if status.replaced_by is not None:
        return f"{status.name}: not started, {status.replaced_by} is set"
    return f"{status.name}: stopped"
