"""Suggestions for a request: never failing, and there from the first item on."""

from django.db import DatabaseError
from django.utils import timezone

from catalog.models import Item
from catalog.search.suggestions import Suggestion, suggest
from catalog.search.tenant_vocabulary import READ_AT_ONCE
from catalog.search_models import SearchPhrase
from recommendations.fallbacks import Fallback, note_fallback
from recommendations.searching.words import refresh_search_words
from tenants.outage import require_database
from tenants.paging import estimated_rows


def suggestions(typed: str, *, limit: int) -> tuple[list[Suggestion], list[str]]:
    """What to suggest, and the layers that were out. At most four queries; never raises."""
    try:
        require_database()
        found = suggest(typed, limit=limit)
        if not found and typed.strip() and _never_made():
            refresh_search_words(timezone.now(), anyway=True)
            found = suggest(typed, limit=limit)
    except DatabaseError:
        note_fallback(Fallback.SUGGESTIONS)
        return [], [Fallback.SUGGESTIONS]
    return found, []


def _never_made() -> bool:
    """Whether there are no phrases yet, in a catalog small enough to make them at once."""
    return not SearchPhrase.objects.exists() and (estimated_rows(Item) or 0) <= READ_AT_ONCE
