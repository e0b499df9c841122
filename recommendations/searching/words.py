"""What the searches of many say: queries worth suggesting, and which were answered well."""

import re
from datetime import datetime, timedelta

from django.db.models import Count

from catalog.search.suggestions import refresh_phrases
from catalog.search.tenant_vocabulary import refresh_vocabulary, vocabulary_is_stale
from profiles.activity import events_by_decision
from recommendations.models import ItemFacts
from recommendations.search_models import Search

SHOPPERS_AT_LEAST = 5
"""A query is suggested to others once so many different shoppers have typed it: what one person
searches for is theirs."""

POPULAR_OVER = timedelta(days=30)
MOST_QUERIES = 5_000
CLICKS_OVER = timedelta(days=2)
"""How long after a search an event may come that answers it."""

PERSONAL = re.compile(r"@|\d{6,}|\d[\d ()/-]{7,}\d")
"""Addresses, numbers of phones and cards: never suggested, however many typed them."""


def refresh_search_words(now: datetime, *, anyway: bool = False) -> int | None:
    """Read the catalog's words and the popular queries anew, if items changed since; how many
    phrases there are to suggest, or None when nothing was to do."""
    if not anyway and not vocabulary_is_stale():
        return None
    refresh_vocabulary()
    facts = ItemFacts.objects.filter(popularity__gt=0)
    return refresh_phrases(
        popularity=dict(facts.values_list("item_id", "popularity")), queries=popular_queries(now)
    )


def popular_queries(now: datetime) -> dict[str, float]:
    """Queries that enough different shoppers typed and that found something, with their share of
    the most frequent one's searches. Visitors without any id do not count."""
    rows = (
        Search.objects.filter(
            searched_at__gte=now - POPULAR_OVER, offset=0, results__gt=0, rescues=[]
        )
        .exclude(folded="")
        .order_by()
        .values("folded")
        .annotate(searches=Count("pk"), shoppers=Count("drawer", distinct=True))
        .filter(shoppers__gte=SHOPPERS_AT_LEAST)
        .order_by("-searches", "folded")[:MOST_QUERIES]
    )
    found = [row for row in rows if not PERSONAL.search(row["folded"])]
    most = found[0]["searches"] if found else 1
    return {row["folded"]: row["searches"] / most for row in found}


def refresh_clicks(now: datetime) -> int:
    """Count anew what shoppers did with the results of recent searches; of how many searches."""
    counted = events_by_decision(now - CLICKS_OVER)
    known = Search.objects.filter(pk__in=counted).values_list("pk", "clicks")
    changed = [Search(pk=pk, clicks=counted[pk]) for pk, clicks in known if clicks != counted[pk]]
    Search.objects.bulk_update(changed, ["clicks"], batch_size=1_000)
    return len(changed)
