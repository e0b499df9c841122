"""A whole shop of its own on loopback: embedded services, a tenant, and granian before them."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from config.embedded import launcher
from config.embedded.ports import free_port
from tenants.database.names import role_of
from tests.config.embedded_servers import empty_var, eventually, pid_of, start, status_of

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = "real"
HOST = "real.localhost"

SET_UP = """
import django
django.setup()
from django.core.management import call_command
from django_tenants.utils import schema_context
call_command("migrate_schemas", shared=True, interactive=False, verbosity=0)
from tenants.keys import mint_key
from tenants.opening import open_tenant
from profiles.models import EventKind
from tests.make import make_event, make_item, make_shopper
open_tenant(schema_name="real", name="Real", host="real.localhost")
with schema_context("real"):
    items = [make_item(f"SKU-{n}", title=f"Item {n}") for n in range(12)]
    make_event(make_shopper("s-1"), items[3], EventKind.VIEW)
    print(mint_key("tests")[1])
"""


WRITE_DECISIONS = """
import django
django.setup()
from django_tenants.utils import schema_context
from recommendations.feedback import write_decisions
from recommendations.models import Decision
with schema_context("real"):
    write_decisions()
    print(*Decision.objects.values_list("pk", flat=True))
"""


def run(script: str, environment: dict[str, str]) -> str:
    """What the script prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    seconds: float

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class RunningShop:
    """Asked over HTTP, as from outside."""

    var: Path
    port: int
    key: str
    web: subprocess.Popen[bytes]
    environment: dict[str, str]

    def get(self, path: str, *, host: str = HOST) -> Answer:
        return self.send("GET", path, host=host)

    def post(self, path: str, body: Any) -> Answer:
        return self.send("POST", path, json.dumps(body))

    def send(self, method: str, path: str, body: str | None = None, *, host: str = HOST) -> Answer:
        """Raises OSError or HTTPException when the server does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        started = time.perf_counter()
        try:
            connection.request(
                method, path, body, {"Host": host, "Authorization": f"Bearer {self.key}"}
            )
            response = connection.getresponse()
            text = response.read().decode()
            return Answer(response.status, text, time.perf_counter() - started)
        finally:
            connection.close()

    def slate(self, **query: str) -> Answer:
        asked = "&".join(
            f"{name}={value}" for name, value in {"placement": "home", **query}.items()
        )
        return self.get(f"/api/v1/recommendations?{asked}")

    def kill_web(self) -> None:
        """The web server and its worker at once, as `kill -9` does."""
        main = self.web.pid
        workers = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for pid in (main, *map(int, workers)):
            os.kill(pid, signal.SIGKILL)
        self.web.wait(timeout=15)

    def restart_web(self) -> None:
        self.web = start_web(self.var, self.port, self.environment)
        assert eventually(lambda: is_up(self), seconds=60)

    @contextmanager
    def worker(self) -> Iterator[None]:
        """A Celery worker beside it, as the product runs one."""
        command = ["-m", "celery", "-A", "config.celery", "worker", "--concurrency", "1",
                   "--without-mingle", "--without-gossip"]  # fmt: skip
        with (self.var / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        try:
            yield
        finally:
            ended(worker)

    def write_decisions(self) -> set[str]:
        """Do what the worker does every two seconds; the ids of all decisions in the tables."""
        return set(run(WRITE_DECISIONS, self.environment).split())

    def row(self, query: str, *parameters: object) -> tuple[Any, ...] | None:
        """The first row of a query in the tenant's schema."""
        found = launcher.addresses(self.var)
        assert found is not None
        with psycopg.connect(found.database_url, autocommit=True) as connection:
            role = sql.Identifier(role_of(connection.info.dbname, SCHEMA))
            connection.execute(sql.SQL("SET ROLE {}").format(role))
            connection.execute(f"SET search_path = {SCHEMA}, public")
            row: tuple[Any, ...] | None = connection.execute(query, parameters).fetchone()
            return row

    def kill(self, service: str) -> None:
        """As the kernel does when memory runs out: without a word."""
        os.kill(pid_of(service, self.var), signal.SIGKILL)
        assert eventually(lambda: not status_of(service, self.var).running)

    def bring_back(self) -> None:
        start(self.var)


@contextmanager
def running_shop() -> Iterator[RunningShop]:
    with pytest.MonkeyPatch.context() as patch, empty_var() as var:
        for replaced in ("DATABASE_URL", "REDIS_URL"):
            patch.delenv(replaced, raising=False)
        start(var)
        environment = {
            **os.environ,
            "ATTUNE_VAR": str(var),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOG_LEVEL": "ERROR",
        }
        made = run(SET_UP, environment)
        port = free_port()
        web = start_web(var, port, environment)
        shop = RunningShop(var, port, made.split()[-1], web, environment)
        try:
            assert eventually(lambda: is_up(shop), seconds=60), (var / "web.log").read_text()
            yield shop
        finally:
            ended(shop.web)


def start_web(var: Path, port: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (var / "web.log").open("ab") as log:
        return subprocess.Popen(
            [
                sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1",
                "--port", str(port), "--workers", "1", "--blocking-threads", "4",
                "config.wsgi:application",
            ],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip


def ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def is_up(shop: RunningShop) -> bool:
    try:
        return shop.get("/healthz", host="localhost").status == 200
    except OSError:
        return False
