"""Whether the whole catalog calls one thing by one name: attributes, their values, brands and
categories that differ only in spelling."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from django.db import transaction

from catalog.quality.models import QualityIssue
from catalog.quality.spelling import Spellings, fold, same_words
from tenants.connection import connection

MAX_WORD_CHARS = 100
MAX_VALUES = 5_000
"""An attribute with more values than this holds numbers, codes or prose: no vocabulary."""

MAX_ISSUES = 1_000
"""Of each kind; those that concern the most items are kept."""

NAMES = """
    SELECT name, count(*) FROM catalog_item i, jsonb_object_keys(i.attributes) AS name
    WHERE i.archived_at IS NULL GROUP BY name
"""
VALUES = """
    SELECT a.key, v.value, count(*)
    FROM catalog_item i, jsonb_each(i.attributes) a, LATERAL (
        SELECT a.value #>> '{}' AS value WHERE jsonb_typeof(a.value) = 'string'
        UNION ALL
        SELECT element FROM jsonb_array_elements_text(
            CASE jsonb_typeof(a.value) WHEN 'array' THEN a.value ELSE '[]' END
        ) element
    ) v
    WHERE i.archived_at IS NULL AND char_length(v.value) <= %s
    GROUP BY a.key, v.value
"""
BRANDS = """
    SELECT brand, count(*) FROM catalog_item
    WHERE archived_at IS NULL AND brand <> '' GROUP BY brand
"""
CATEGORIES = """
    SELECT level, count(*) FROM catalog_item i, unnest(i.category_path) AS level
    WHERE archived_at IS NULL GROUP BY level
"""

Found = tuple[QualityIssue.Kind, str, Spellings]


def check_vocabulary() -> int:
    """Find the doubtful spellings anew. Returns how many issues there are. Safe to run twice.

    An issue that somebody accepted stays accepted until another spelling joins it. Four
    statements that read the catalog once each.
    """
    found = list(_find())
    with transaction.atomic():
        known = {
            (issue.kind, issue.about, issue.suggestion): issue
            for issue in QualityIssue.objects.select_for_update()
        }
        new, kept = [], []
        for kind, about, group in found:
            issue = known.pop((kind, about, group.suggestion), None)
            if issue is None:
                issue = QualityIssue(kind=kind, about=about, suggestion=group.suggestion)
                new.append(issue)
            else:
                kept.append(issue)
                if set(issue.spellings) != set(group.counts):
                    issue.accepted_at = None
            issue.spellings, issue.items = dict(group.counts), group.others
        QualityIssue.objects.filter(pk__in=[issue.pk for issue in known.values()]).delete()
        QualityIssue.objects.bulk_create(new)
        QualityIssue.objects.bulk_update(kept, ["spellings", "items", "accepted_at"], 500)
    return len(found)


def _find() -> Iterator[Found]:
    kinds = QualityIssue.Kind
    names = _counts(NAMES)
    same_names = same_words(names)[:MAX_ISSUES]
    yield from ((kinds.ATTRIBUTE_NAME, "", group) for group in same_names)
    yield from _find_values({word: g.suggestion for g in same_names for word in g.counts})
    for kind, statement in ((kinds.BRAND, BRANDS), (kinds.CATEGORY, CATEGORIES)):
        yield from ((kind, "", group) for group in same_words(_counts(statement))[:MAX_ISSUES])


def _find_values(spelled: dict[str, str]) -> list[Found]:
    """Values are compared over all spellings of their attribute's name."""
    values: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with connection.cursor() as cursor:
        cursor.execute(VALUES, [MAX_WORD_CHARS])
        for name, value, count in cursor.fetchall():
            values[spelled.get(name, name)][value] += count
    found = [
        (QualityIssue.Kind.ATTRIBUTE_VALUE, name, group)
        for name, counts in values.items()
        if len(counts) <= MAX_VALUES and len(name) <= MAX_WORD_CHARS
        for group in same_words(counts)
    ]
    found.sort(key=lambda issue: (-issue[2].others, issue[1], issue[2].suggestion))
    return found[:MAX_ISSUES]


def _counts(statement: str) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return dict(cursor.fetchall())


def column_map_of(issue: QualityIssue) -> dict[str, str]:
    """The lines of a column map that mend an issue of attribute names with the next feed."""
    if issue.kind != QualityIssue.Kind.ATTRIBUTE_NAME:
        return {}
    return {
        spelling: f"attribute:{issue.suggestion}"
        for spelling in issue.spellings
        if spelling != issue.suggestion and fold(spelling)
    }
