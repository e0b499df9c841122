"""Which layers can be out, and how that is noted: in the log, a counter and the decision."""

import logging
import sys
from enum import StrEnum

from prometheus_client import Counter

from tenants.outage import note_outage

logger = logging.getLogger(__name__)

FALLBACKS = Counter(
    "attune_fallbacks_total", "Requests answered without one of the layers.", ["layer"]
)


class Fallback(StrEnum):
    """What a slate, or a search, was made without. Values are API."""

    PAGE = "page_items"
    SHOPPER = "shopper_state"
    NEIGHBORS = "neighbors"
    CONTENT = "content"
    RANKING = "ranking"
    DATABASE = "database"
    DECISION_LOG = "decision_log"
    UNDERSTANDING = "understanding"
    SEARCH = "search"
    PERSONAL_ORDER = "personal_order"
    SUGGESTIONS = "suggestions"
    SEARCH_LOG = "search_log"


def note_fallback(layer: Fallback) -> None:
    """Count and log that a layer was out; call it where its exception is caught."""
    note_outage()
    FALLBACKS.labels(layer=layer).inc()
    logger.error("Served without %s", layer, exc_info=sys.exception())
