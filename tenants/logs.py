"""Which tenant a log line belongs to."""

import logging

from tenants.connection import connection


class TenantFilter(logging.Filter):
    """Adds `tenant`, the current schema, to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.tenant = getattr(connection, "schema_name", None) or "-"
        return True
