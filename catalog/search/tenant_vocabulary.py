"""What a tenant's catalog has words for: read from the tables now and then, kept in one row."""

import threading
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from catalog.models import Item, Offer
from catalog.search.facts import CODE_ATTRIBUTES
from catalog.search.understanding.vocabulary import Term, Vocabulary, merged
from catalog.search.values import ATTRIBUTE
from catalog.search_models import SearchVocabulary
from tenants.connection import connection, tenant_id
from tenants.paging import estimated_rows
from tenants.settled import settled, unsettle

MOST_TERMS: Final = 20_000
"""The most frequent are kept: a value of one item in a hundred thousand is seldom asked for."""

LONGEST_VALUE: Final = 60

READ_AT_ONCE: Final = 50_000
"""A larger catalog is not read while a shopper waits: its vocabulary comes from the schedule."""

TOO_LARGE: Final = "too large"
"""In place of a version: what of such a catalog was never made."""

NOT_READ: Final = Vocabulary()
"""In place of a vocabulary that is not at hand yet: nothing but prices is understood by it."""

PARSED_AT_ONCE: Final = 2_000
"""More terms take longer than a shopper should wait; 20,000 take about a second."""

LISTED: Final = "SELECT * FROM catalog_item WHERE available AND archived_at IS NULL"

NAMED: Final = f"""
    WITH listed AS ({LISTED})
    SELECT 'brand', min(btrim(brand)), count(*) FROM listed
    WHERE btrim(brand) <> '' GROUP BY lower(btrim(brand))
    UNION ALL
    SELECT 'category', min(btrim(name)), count(DISTINCT id)
    FROM listed, unnest(category_path) AS name
    WHERE btrim(name) <> '' GROUP BY lower(btrim(name))
"""

VALUES: Final = f"""
    WITH listed AS ({LISTED}), pairs AS (
        SELECT id, name, btrim(value) AS value
        FROM listed, jsonb_each(attributes) AS a (name, given), jsonb_array_elements_text(
            CASE jsonb_typeof(given) WHEN 'array' THEN given WHEN 'object' THEN '[]'
            WHEN 'null' THEN '[]' ELSE jsonb_build_array(given) END
        ) AS value
        WHERE lower(name) <> ALL(%(codes)s)
    )
    SELECT name, min(value), count(DISTINCT id) FROM pairs
    WHERE length(value) BETWEEN 1 AND %(longest)s
    GROUP BY name, lower(value) ORDER BY 3 DESC, 1, 2 LIMIT %(most)s
"""

GIVEN: Final = f"""
    WITH listed AS ({LISTED}), leaves AS (
        SELECT attributes, coalesce(category_path[cardinality(category_path)], '') AS leaf
        FROM listed
    ), used AS (
        SELECT name, leaf, count(*) AS items
        FROM leaves, jsonb_object_keys(attributes) AS name GROUP BY 1, 2
    ), sizes AS (SELECT leaf, count(*) AS items FROM leaves GROUP BY 1)
    SELECT name, (sum(used.items) / sum(sizes.items))::float
    FROM used JOIN sizes USING (leaf) GROUP BY name
"""
"""By attribute: in the categories where it is used at all, how many of the items have it."""

Place = tuple[str, int | None]

_parsed: dict[Place, tuple[str, Vocabulary]] = {}
"""By schema and tenant: the version and what it parses to, for parsing costs more than reading."""


def tenant_vocabulary() -> Vocabulary:
    """The current tenant's; NOT_READ while a large catalog was never looked at, and for the first
    second or two of a process.

    Raises DatabaseError while the database is out and nothing was kept.
    """
    version = settled("search-vocabulary", _version_or_too_large)
    if version is None:
        refresh_vocabulary()
        version = _version() or ""
    if version == TOO_LARGE:
        return NOT_READ
    place = connection.schema_name, tenant_id()
    known = _parsed.get(place)
    if known is not None and known[0] == version:
        return known[1]
    row = SearchVocabulary.objects.get()
    if len(row.terms) <= PARSED_AT_ONCE:
        return _parse(place, version, row)
    # Until it is parsed, the words of a minute ago will do, and none if this process has just
    # started; nobody else starts on it meanwhile.
    kept = known[1] if known is not None else NOT_READ
    _parsed[place] = version, kept
    threading.Thread(target=_parse, args=(place, version, row), daemon=True).start()
    return kept


def vocabulary_is_stale() -> bool:
    """Whether items changed since the vocabulary was made, by the database's own counters."""
    row = SearchVocabulary.objects.only("changes").first()
    return row is None or row.changes != _changes()


def refresh_vocabulary() -> int:
    """Read the catalog's words anew; how many terms there are. Reads the item table three times.

    Safe to run twice, or beside itself.
    """
    changes = _changes()
    row = SearchVocabulary(
        terms=_read_terms(), currencies=_read_currencies(), changes=changes, built_at=timezone.now()
    )
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext(%s))",
                [f"{connection.schema_name}:search-vocabulary"],
            )
        SearchVocabulary.objects.all().delete()
        row.save()
        unsettle()
    return len(row.terms)


def _parse(place: Place, version: str, row: SearchVocabulary) -> Vocabulary:
    terms = tuple(Term(*entry) for entry in row.terms)
    vocabulary = Vocabulary(terms, frozenset(row.currencies))
    _parsed[place] = version, vocabulary
    return vocabulary


def _version_or_too_large() -> str | None:
    found = _version()
    if found is None and (estimated_rows(Item) or 0) > READ_AT_ONCE:
        return TOO_LARGE
    return found


def _version() -> str | None:
    built_at = SearchVocabulary.objects.values_list("built_at", flat=True).first()
    return None if built_at is None else built_at.isoformat()


def _changes() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(n_tup_ins + n_tup_upd + n_tup_del, 0) FROM pg_stat_user_tables"
            " WHERE relid = 'catalog_item'::regclass"
        )
        (changes,) = cursor.fetchone() or (0,)
    return int(changes)


def _read_terms() -> list[list[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(NAMED)
        found = [Term(field, value, items) for field, value, items in cursor.fetchall()]
        cursor.execute(GIVEN)
        given = dict(cursor.fetchall())
        cursor.execute(
            VALUES,
            {"codes": sorted(CODE_ATTRIBUTES), "longest": LONGEST_VALUE, "most": MOST_TERMS},
        )
        found += [
            Term(ATTRIBUTE + name, value, items, given.get(name, 1.0))
            for name, value, items in cursor.fetchall()
        ]
    found.sort(key=lambda term: (-term.items, term.field, term.value))
    return [[t.field, t.value, t.items, round(t.given, 4)] for t in merged(found)[:MOST_TERMS]]


def _read_currencies() -> list[str]:
    return list(Offer.objects.order_by("currency").values_list("currency", flat=True).distinct())
