"""Embedded services in folders of their own: those of `var` are never touched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.embedded_servers import empty_var, remember, start


@pytest.fixture(scope="module")
def embedded_is_not_replaced() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("DATABASE_URL", "REDIS_URL", "PG_BIN_DIR"):
            patch.delenv(variable, raising=False)
        yield


@pytest.fixture
def var(embedded_is_not_replaced: None) -> Iterator[Path]:
    """For tests of first starts, and of what would harm other tests."""
    with empty_var() as folder:
        yield folder


@pytest.fixture(scope="module")
def first_start(embedded_is_not_replaced: None) -> Iterator[Path]:
    with empty_var() as folder:
        start(folder)
        remember(folder, "kept")
        yield folder


@pytest.fixture
def shared_var(first_start: Path) -> Path:
    """Services that run, whatever the test before did to them; both remember "kept"."""
    start(first_start)
    return first_start
