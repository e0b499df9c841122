"""Whether anything changed in a tenant's schema: a fingerprint of every table."""

from dataclasses import dataclass

from django_tenants.utils import schema_context

from tenants.connection import connection


@dataclass(frozen=True)
class Fingerprint:
    """Rows and a hash of what they say, by table."""

    tables: dict[str, tuple[int, int]]

    def differs_in(self, other: "Fingerprint") -> set[str]:
        names = self.tables.keys() | other.tables.keys()
        return {name for name in names if self.tables.get(name) != other.tables.get(name)}


def fingerprint(schema: str) -> Fingerprint:
    """Every table of the schema, partitions by themselves; whatever schema is current."""
    found: dict[str, tuple[int, int]] = {}
    with schema_context(schema), connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'",
            [schema],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(
                "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text"
                f' FROM "{schema}"."{name}" t'
            )
            rows, digest = cursor.fetchone() or (0, "0")
            found[name] = (rows, int(digest))
    return Fingerprint(found)
