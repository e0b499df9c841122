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
from urllib.parse import urlsplit

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


def keep_in_memory(schema: str) -> None:
    """Read all tables and indexes of a schema into Postgres's memory, as hours of visits do.

    Does nothing with a server of another's, which lets only its superuser make the extension.
    """
    import psycopg

    from config.embedded import launcher

    try:
        password = (VAR / "services" / "postgres-superuser-password").read_text()
    except FileNotFoundError:
        return
    url = urlsplit(launcher.start(VAR).database_url)
    with psycopg.connect(
        host=url.hostname, port=url.port, dbname=url.path[1:], user="postgres", password=password,
        autocommit=True,
    ) as connection:  # fmt: skip
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        connection.execute(
            "SELECT count(pg_prewarm(oid::regclass)) FROM pg_class"
            " WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'i', 't')",
            [schema],
        )


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
