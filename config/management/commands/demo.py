"""Run the demo: `manage.py demo start|stop`. `make demo` calls it once services run."""

import json
import socket
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from config.embedded.processes import (
    ProcessSpec,
    process_statuses,
    start_processes,
    stop_processes,
)

WAIT_SECONDS = 60
PORTS_TRIED = 20


class Command(BaseCommand):
    help = "Start or stop the demo: two shops with web server, Celery worker and beat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["start", "stop"])
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "stop":
            stop_processes(settings.VAR_DIR)
            self.stdout.write("The demo is stopped. Its data stays; `make reset` forgets it.")
            return
        port = self._port(options["port"])
        self._step("Preparing the database", lambda: call_command("migrate", verbosity=0))
        self._step(
            "Collecting static files",
            lambda: call_command("collectstatic", verbosity=0, interactive=False),
        )
        call_command("load_demo", port=port)
        self._step("Starting web server, worker and beat", lambda: self._start(port))
        self._greet()

    def _step(self, what: str, run: Any) -> None:
        self.stdout.write(f"{what} … ", ending="")
        self.stdout.flush()
        started = time.perf_counter()
        run()
        self.stdout.write(f"{time.perf_counter() - started:.1f} s")

    def _port(self, wanted: int) -> int:
        """The port that the demo has, or the first free one from `wanted` on."""
        if any(
            status.name == "web" and status.pid for status in process_statuses(settings.VAR_DIR)
        ):
            known = json.loads((settings.VAR_DIR / "demo.json").read_text())
            return int(known["base_url"].rsplit(":", 1)[1])
        for port in range(wanted, wanted + PORTS_TRIED):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            return port
        raise CommandError(f"No port from {wanted} to {wanted + PORTS_TRIED - 1} is free.")

    def _start(self, port: int) -> None:
        environment = {"ATTUNE_DEMO": "1", "ATTUNE_VAR": str(settings.VAR_DIR)}
        python = sys.executable
        start_processes(
            [
                ProcessSpec(
                    "web",
                    (
                        python, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1",
                        "--port", str(port), "--workers", "1", "--blocking-threads", "4",
                        "--no-ws", "config.wsgi:application",
                    ),
                    environment,
                ),
                ProcessSpec(
                    "worker",
                    (
                        python, "-m", "celery", "-A", "config.celery", "worker",
                        "--concurrency", "1", "--loglevel", "INFO", "--without-mingle",
                        "--without-gossip",
                    ),
                    environment,
                ),
                ProcessSpec(
                    "beat",
                    (
                        python, "-m", "celery", "-A", "config.celery", "beat", "--loglevel", "INFO",
                        "--schedule", str(settings.VAR_DIR / "celerybeat-schedule"),
                    ),
                    environment,
                ),
            ],
            settings.VAR_DIR,
        )  # fmt: skip
        self._wait(f"http://127.0.0.1:{port}/healthz")

    def _wait(self, address: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310  # our own
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{address} does not answer. See {settings.VAR_DIR}/log/web.log."
                )
            time.sleep(0.2)

    def _greet(self) -> None:
        demo = json.loads((settings.VAR_DIR / "demo.json").read_text())
        write = self.stdout.write
        port = demo["base_url"].rsplit(":", 1)[1]
        for tenant in demo["tenants"]:
            write("")
            write(self.style.SUCCESS(tenant["name"]))
            write(f"  storefront  http://{tenant['host']}:{port}/")
            write(
                f"  admin       {tenant['admin_url']}"
                f"  ({tenant['admin_user']} / {tenant['admin_password']})"
            )
            for name, password in tenant.get("staff", {}).items():
                write(f"              or as {name} / {password}")
            write(f"  API docs    http://{tenant['host']}:{port}/api/docs/")
            write(f"  API key     {tenant['secret_key']}")
        first = demo["tenants"][0]
        base, key = f"http://{first['host']}:{port}/api/v1", first["secret_key"]
        shopper, new = first["shopper_with_history"], first["new_shopper"]
        header = f'-H "Authorization: Bearer {key}"'
        item = first["item"]
        home = f"{base}/recommendations?placement=home&limit=3"
        write("\nThree things to try:\n")
        write(f'  curl -s {header} "{home}&shopper={shopper}"\n')
        write(
            f'  curl -s {header} -d \'{{"events": [{{"kind": "view", "shopper": "{shopper}",'
            f' "item": "{item}"}}]}}\' "{base}/events"\n'
        )
        write(f'  curl -s {header} "{home}&shopper={new}"\n')
        write("And a search, in a shopper's own words:\n")
        write(f'  curl -s {header} "{base}/search?limit=3&q=jacket+under+100,+not+black"\n')
        write("`make stop` stops it, `make reset` forgets the data.")
