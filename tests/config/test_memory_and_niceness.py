"""What the embedded Postgres keeps in memory, and that workers give way to the web server."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from config.embedded.postgres import caches, memory
from tests.config.embedded_servers import start

GB = 1024**3


@pytest.mark.parametrize(
    ("available", "shared"),
    [(GB // 2, "128MB"), (8 * GB, "1024MB"), (24 * GB, "3072MB"), (512 * GB, "8192MB")],
)
def test_postgres_keeps_an_eighth_of_the_memory_within_bounds(available: int, shared: str) -> None:
    assert caches(available)["shared_buffers"] == shared


def test_the_embedded_postgres_runs_with_the_memory_of_this_machine(shared_var: Path) -> None:
    with psycopg.connect(start(shared_var).database_url) as connection:
        row = connection.execute(
            "SELECT pg_size_bytes(current_setting('shared_buffers')) / 1024 / 1024"
        ).fetchone()
    assert row is not None
    assert f"{row[0]}MB" == caches(memory())["shared_buffers"]


def test_a_worker_stands_back_before_it_forks_and_never_steps_forward() -> None:
    script = (
        "import os, config.celery\n"
        "from celery.signals import worker_init\n"
        "worker_init.send(sender=None); print(os.nice(0))\n"
        "os.nice(3); worker_init.send(sender=None); print(os.nice(0))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [int(niceness) >= 10 for niceness in told] == [True, True]
    assert int(told[1]) == min(int(told[0]) + 3, 19)
