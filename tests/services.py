"""A pytest plugin: the project's own Postgres and Valkey, started before Django reads its settings.

Loaded by `-p tests.services`. Every run has servers of its own, so that runs side by side do not
meet, and leaves nothing behind. With DATABASE_URL and REDIS_URL set, those are used instead.
"""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The controller of pytest-xdist makes the folder; its workers inherit the variable.
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
VAR = Path(os.environ.setdefault("ATTUNE_TEST_VAR", str(ROOT / "var" / f"test-{os.getpid()}")))

os.environ.setdefault("SECRET_KEY", "a key of the tests, and of nothing else: 5f2c1e8a90b7d364")
os.environ["ATTUNE_VAR"] = str(VAR)
os.environ["ATTUNE_DEMO"] = "1"
# Workers have databases of their own, in which the same tenants have other items.
os.environ["PRIVACY_DIR"] = str(VAR / "privacy" / os.environ.get("PYTEST_XDIST_WORKER", "gw0"))
os.environ["SEARCH_INDEX_DIR"] = str(VAR / "search" / os.environ.get("PYTEST_XDIST_WORKER", "gw0"))

from config.embedded import launcher  # noqa: E402  # after the environment is set

VAR.mkdir(parents=True, exist_ok=True)
(VAR / "static").mkdir(exist_ok=True)
_services = launcher.start(VAR, die_with_parent=not IS_WORKER)
_redis_url = os.environ.get("REDIS_URL") or _services.redis_url
_database = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) + 1
os.environ["REDIS_URL"] = f"{_redis_url.rsplit('/', 1)[0]}/{_database}"


def pytest_unconfigure(config: pytest.Config) -> None:
    if not IS_WORKER:
        launcher.reset(VAR)
        shutil.rmtree(VAR, ignore_errors=True)
