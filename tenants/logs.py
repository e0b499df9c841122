"""What a log line says of a request: which tenant, which route, and nothing of a person."""

import logging
from typing import Any

from tenants.connection import connection

VALUES = ("DETAIL:", "CONTEXT:")
"""How the lines of an error of Postgres begin that repeat a row's values."""


class TenantFilter(logging.Filter):
    """Adds `tenant`, the current schema, to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.tenant = getattr(connection, "schema_name", None) or "-"
        return True


class RouteFilter(logging.Filter):
    """Says the route instead of the path, as in `Not Found: /api/v1/shoppers/<str:shopper>`.

    A path holds shoppers' ids, which a shop may make of their e-mail addresses. Django logs the
    path of each refused request.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        path = getattr(getattr(record, "request", None), "path", None)
        if path is not None and isinstance(record.args, tuple):
            match = getattr(record.request, "resolver_match", None)  # type: ignore[attr-defined]
            route = f"/{match.route}" if match else "an address of nothing"
            record.args = tuple(route if arg == path else arg for arg in record.args)
        return True


class LineFormatter(logging.Formatter):
    """Leaves the lines of an error out that repeat a row's values, such as a shopper's id."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the base class's name
        lines = super().formatException(ei).splitlines()
        return "\n".join(line for line in lines if not line.startswith(VALUES))
