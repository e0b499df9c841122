"""Both tenants, each with a row of everything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from tenants.models import Tenant
from tests.conftest import TenantPair
from tests.walls.planting import Planted, plant
from tests.walls.probes import probes_made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if probes_made():
        terminalreporter.write_line(f"{probes_made()} attempts at another tenant's data")


@pytest.fixture
def media(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Uploaded files of this test only."""
    settings.MEDIA_ROOT = tmp_path
    default_storage.exists("")  # makes the storage
    kept: dict[str, Any] = default_storage._wrapped.__dict__  # type: ignore[attr-defined]
    # The tenants' storage keeps the folder, also when the setting changes.
    kept.pop("relative_media_root", None)
    yield tmp_path
    kept.pop("relative_media_root", None)


@pytest.fixture
def planted(tenant: Tenant, tenants: TenantPair, media: Path) -> tuple[Planted, Planted]:
    """Ours and theirs; the test runs in our schema."""
    return plant(tenants.ours, first_id=1_000), plant(tenants.theirs, first_id=700_000)
