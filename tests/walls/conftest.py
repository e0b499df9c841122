"""Both tenants, each with a row of everything."""

from pathlib import Path
from typing import Any

import pytest

from tenants.models import Tenant
from tests.conftest import TenantPair
from tests.walls.planting import Planted, plant


@pytest.fixture
def media(tmp_path: Path, settings: Any) -> Path:
    """Uploaded files of this test only."""
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def planted(tenant: Tenant, tenants: TenantPair, media: Path) -> tuple[Planted, Planted]:
    """Ours and theirs; the test runs in our schema."""
    return plant(tenants.ours, first_id=1_000), plant(tenants.theirs, first_id=700_000)
