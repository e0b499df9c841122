"""Which of the tenants app's models belong to `public` and which to each tenant's schema."""

from typing import Any

from django.db import connections
from django_tenants.utils import get_public_schema_name

PUBLIC_MODELS = frozenset({"tenant", "domain", "auditseal"})


class TenantModelRouter:
    """Splits the tenants app by model; django-tenants itself splits by app only."""

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **_hints: Any
    ) -> bool | None:
        if app_label != "tenants" or model_name is None:
            return None
        in_public = getattr(connections[db], "schema_name", None) == get_public_schema_name()
        if (model_name.lower() in PUBLIC_MODELS) != in_public:
            return False
        return None
