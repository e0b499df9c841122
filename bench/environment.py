"""What every benchmark stands on: services of its own, a tenant, and one last line of JSON."""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
VAR = ROOT / "var" / "bench"


def start() -> None:
    """Start the benchmark's own services, set Django up and migrate. Call it before any import
    of the project's apps."""
    os.environ["ATTUNE_VAR"] = str(VAR)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(ROOT))
    from config.embedded import launcher

    VAR.mkdir(parents=True, exist_ok=True)
    launcher.start(VAR)
    import django

    django.setup()
    logging.disable(logging.INFO)
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"{what} …", end=" ", flush=True, file=sys.stderr)
    started = time.perf_counter()
    yield
    print(f"{time.perf_counter() - started:.1f} s", flush=True, file=sys.stderr)


def report(**result: Any) -> None:
    """The last line: the result as JSON."""
    print(json.dumps(result), flush=True)


def skip(bench: str, reason: str) -> None:
    """End without a result, and say why."""
    report(bench=bench, skipped=reason)
    sys.exit(0)
