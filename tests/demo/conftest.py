"""A browser at our tenant's storefront."""

import pytest

from tenants.models import Tenant
from tests.demo.browser import Browser


@pytest.fixture
def tab(tenant: Tenant) -> Browser:
    return Browser("ours.localhost")
