"""A pytest plugin: the project's own Postgres and Valkey, started before Django reads its settings.

Loaded by `-p tests.services`. Tests never touch the services of `make demo`: theirs live in
`var/test`, unless DATABASE_URL and REDIS_URL name others.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / "test"

os.environ.setdefault("SECRET_KEY", "a key of the tests, and of nothing else: 5f2c1e8a90b7d364")
os.environ["ATTUNE_VAR"] = str(VAR)
os.environ["ATTUNE_DEMO"] = "1"

from config.embedded import launcher  # noqa: E402  # after the environment is set

# The controller of pytest-xdist starts them; its workers find them running.
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ

_services = launcher.start(VAR, die_with_parent=not IS_WORKER)
_redis_url = os.environ.get("REDIS_URL") or _services.redis_url
_database = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) + 1
os.environ["REDIS_URL"] = f"{_redis_url.rsplit('/', 1)[0]}/{_database}"


def pytest_unconfigure(config: pytest.Config) -> None:
    if not IS_WORKER:
        launcher.stop(VAR)
