"""The command line of the embedded services: `python -m config.embedded start`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from config.embedded import launcher
from config.embedded.errors import EmbeddedServiceError
from config.embedded.launcher import ServiceStatus

ACTIONS = ("start", "stop", "status", "reset")


def main(arguments: Sequence[str]) -> int:
    """Run one action; the exit code. `status` exits with 3 if a service does not run."""
    parser = argparse.ArgumentParser(prog="python -m config.embedded", description=__doc__)
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument(
        "--var", type=Path, default=launcher.default_var(), help="default: %(default)s"
    )
    options = parser.parse_args(arguments)
    try:
        return run(options.action, options.var)
    except EmbeddedServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def run(action: str, var: Path) -> int:
    if action == "start":
        launcher.start(var)
    elif action == "stop":
        launcher.stop(var)
    elif action == "reset":
        launcher.reset(var)
        return 0
    statuses = launcher.status(var)
    for status in statuses:
        sys.stdout.write(f"{line(status)}\n")
    down = any(not status.running and status.replaced_by is None for status in statuses)
    return 3 if action == "status" and down else 0


def line(status: ServiceStatus) -> str:
    if status.replaced_by is not None:
        return f"{status.name}: not started, {status.replaced_by} is set"
    if status.running:
        return (
            f"{status.name}: running on port {status.port}, pid {status.pid}, data in {status.data}"
        )
    return f"{status.name}: stopped"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
