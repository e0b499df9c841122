"""What is suggested while a shopper types, and what a misspelled query may have meant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from django.db import transaction
from django.db.models import Count

from catalog.models import Item
from catalog.search.understanding.words import fold
from catalog.search_models import SearchPhrase
from tenants.connection import connection

MOST_ITEMS: Final = 50_000
"""Titles that are suggested: the most popular, then the newest."""

MOST_NAMES: Final = 20_000
MOST_TYPED: Final = 100
"""Characters of what is typed that are looked at."""

TOLERANT_FROM: Final = 4
"""Shorter beginnings are like too much to be misspelled."""

ALIKE: Final = 0.45
"""The share of trigrams that what is typed has in common with a part of the phrase."""

PERHAPS_MEANT: Final = 0.3
"""The share of trigrams that a misspelled query has in common with all of the phrase: few, for
two letters that changed places spoil six."""

MEANT_FROM: Final = 0.8
"""The share of letters that stand in the same order in both."""

KIND_ORDER: Final = ("query", "category", "brand", "item")

BEGINS: Final = r"""
    SELECT p.id, p.kind, p.text, p.item_id FROM catalog_searchphrase p
    WHERE p.folded LIKE %(start)s
    ORDER BY array_position(%(kinds)s, p.kind::text), p.weight DESC, length(p.text), p.id
    LIMIT %(most)s
"""
HAS_WORD: Final = r"""
    SELECT p.id, p.kind, p.text, p.item_id FROM catalog_searchphrase p
    WHERE p.folded LIKE %(inside)s
    ORDER BY array_position(%(kinds)s, p.kind::text), p.weight DESC, length(p.text), p.id
    LIMIT %(most)s
"""
IS_LIKE: Final = r"""
    SELECT p.id, p.kind, p.text, p.item_id FROM catalog_searchphrase p
    WHERE %(typed)s <%% p.folded
    ORDER BY word_similarity(%(typed)s, p.folded) DESC,
             array_position(%(kinds)s, p.kind::text), p.weight DESC, p.id
    LIMIT %(most)s
"""
MEANT: Final = r"""
    SELECT p.text, p.folded FROM catalog_searchphrase p
    WHERE p.folded %% %(typed)s AND p.kind <> 'item' AND p.folded <> %(typed)s
    ORDER BY similarity(p.folded, %(typed)s) DESC, p.weight DESC, p.id
    LIMIT 10
"""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A phrase to go on with. `item` is the external id where it is the title of one item."""

    text: str
    kind: str
    item: str | None = None
    address: str = ""


def suggest(typed: str, *, limit: int) -> list[Suggestion]:
    """What the typed beginning may become, best first: popular searches, categories, brands, items.

    First what begins with it, then what has a word that does, then what is spelled almost like
    it. Items that cannot be shown at this moment are left out. At most four queries. Raises
    DatabaseError.
    """
    folded = " ".join(fold(typed[:MOST_TYPED]).replace("\x00", "").split())
    if not folded:
        return []
    pattern = folded.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    given = {
        "start": f"{pattern}%",
        "inside": f"% {pattern}%",
        "typed": folded,
        "kinds": list(KIND_ORDER),
        "most": 4 * limit,
    }
    rows: dict[int, tuple[str, str, int | None]] = {}
    ways = [BEGINS]
    if len(folded) > 2:
        ways.append(HAS_WORD)
    if len(folded) >= TOLERANT_FROM:
        ways.append(IS_LIKE)
    for way in ways:
        if len(rows) < limit:
            rows |= _found(way, given)
    items = _shown(item for _, _, item in rows.values() if item is not None)
    suggestions: dict[str, Suggestion] = {}
    for kind, text, item in rows.values():
        if item is None:
            suggestion = Suggestion(text, kind)
        elif item in items:
            suggestion = Suggestion(text, kind, *items[item])
        else:
            continue
        suggestions.setdefault(fold(text), suggestion)
    return list(suggestions.values())[:limit]


def meant_by(text: str) -> str | None:
    """A search, category or brand that is spelled almost like the text; None if nothing is."""
    folded = " ".join(fold(text[:MOST_TYPED]).split())
    if len(folded) < TOLERANT_FROM:
        return None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL pg_trgm.similarity_threshold = {PERHAPS_MEANT}")
        cursor.execute(MEANT, {"typed": folded})
        rows = cursor.fetchall()
    alike = [(SequenceMatcher(None, other, folded).ratio(), text) for text, other in rows]
    best, meant = max(alike, key=lambda pair: pair[0], default=(0.0, None))
    return meant if best >= MEANT_FROM else None


def _found(way: str, given: Mapping[str, Any]) -> dict[int, tuple[str, str, int | None]]:
    with transaction.atomic(), connection.cursor() as cursor:
        if way is IS_LIKE:
            cursor.execute(f"SET LOCAL pg_trgm.word_similarity_threshold = {ALIKE}")
        cursor.execute(way, given)
        return {pk: (kind, text, item) for pk, kind, text, item in cursor.fetchall()}


def _shown(items: Iterable[int]) -> dict[int, tuple[str, str]]:
    wanted = list(items)
    if not wanted:
        return {}
    listed = Item.objects.recommendable().filter(pk__in=wanted)
    return {
        pk: (external_id, address)
        for pk, external_id, address in listed.values_list("pk", "external_id", "address")
    }


def refresh_phrases(*, popularity: Mapping[int, float], queries: Mapping[str, float]) -> int:
    """Read titles, categories and brands anew, beside the queries given; how many phrases.

    `popularity` in 0-1 by item id, and `queries` with a weight in 0-1 each. Safe to run twice.
    """
    phrases = [
        *_phrases(SearchPhrase.Kind.QUERY, queries),
        *_phrases(SearchPhrase.Kind.CATEGORY, _shares(_categories())),
        *_phrases(SearchPhrase.Kind.BRAND, _shares(_brands())),
        *_item_phrases(popularity),
    ]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext(%s))",
                [f"{connection.schema_name}:search-phrases"],
            )
        SearchPhrase.objects.all().delete()
        SearchPhrase.objects.bulk_create(phrases, batch_size=5_000)
    return len(phrases)


def _phrases(kind: SearchPhrase.Kind, weights: Mapping[str, float]) -> list[SearchPhrase]:
    return [
        SearchPhrase(kind=kind, text=text, folded=_normal(text), weight=weight)
        for text, weight in weights.items()
    ]


def _item_phrases(popularity: Mapping[int, float]) -> list[SearchPhrase]:
    """One for each title, that of the most popular item: variants share theirs."""
    listed = Item.objects.recommendable()
    popular = sorted(popularity, key=lambda pk: -popularity[pk])[:MOST_ITEMS]
    rows = dict(listed.filter(pk__in=popular).values_list("pk", "title"))
    if len(rows) < MOST_ITEMS:
        newest = listed.exclude(pk__in=rows).order_by("-pk").values_list("pk", "title")
        rows |= dict(newest[: MOST_ITEMS - len(rows)])
    phrases: dict[str, SearchPhrase] = {}
    for pk, title in sorted(rows.items(), key=lambda row: -popularity.get(row[0], 0.0)):
        phrase = SearchPhrase(
            kind=SearchPhrase.Kind.ITEM,
            text=title,
            folded=_normal(title),
            item_id=pk,
            weight=popularity.get(pk, 0.0),
        )
        phrases.setdefault(phrase.folded, phrase)
    return list(phrases.values())


def _normal(text: str) -> str:
    return " ".join(fold(text).split())


def _categories() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(btrim(name)), count(*) FROM catalog_item, unnest(category_path) AS name"
            " WHERE available AND archived_at IS NULL AND btrim(name) <> ''"
            " GROUP BY lower(btrim(name)) ORDER BY 2 DESC LIMIT %s",
            [MOST_NAMES],
        )
        return dict(cursor.fetchall())


def _brands() -> dict[str, int]:
    listed = Item.objects.recommendable().exclude(brand="").order_by()
    counted = listed.values_list("brand").annotate(items=Count("pk")).order_by("-items", "brand")
    return dict(counted[:MOST_NAMES])


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    most = max(counts.values(), default=1)
    return {name: count / most for name, count in counts.items()}
