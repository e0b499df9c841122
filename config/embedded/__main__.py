"""The command line of the embedded services, which needs no settings."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from config.embedded.commands import ACTIONS, run
from config.embedded.errors import EmbeddedServiceError
from config.embedded.launcher import default_var


def main(arguments: Sequence[str]) -> int:
    """Run one action and return the exit code: 1 if it failed, 3 if `status` finds one down."""
    parser = argparse.ArgumentParser(
        prog="python -m config.embedded", description="Postgres and Valkey for this project."
    )
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--var", type=Path, default=default_var(), help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        return run(options.action, options.var, sys.stdout.write)
    except (EmbeddedServiceError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
