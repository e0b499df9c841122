"""Background work of recommendations: writing decisions down, refreshing facts, training."""

import logging

from django.utils import timezone

from recommendations import (
    circumstances,
    feedback,
    neighbor_updates,
    nightly,
    staleness,
    training_run,
    trending,
)
from recommendations.rule_reach import measure_live_rules
from recommendations.searching import log, words
from tenants.tasks import tenant_task

logger = logging.getLogger(__name__)


@tenant_task
def write_buffered_decisions() -> None:
    """Every two seconds. Safe to run twice, or beside itself."""
    if written := feedback.write_decisions():
        logger.info("Wrote %d decisions", written)


@tenant_task
def refresh_popularity() -> None:
    """Every ten minutes: popularity and trend from the events so far, and by them which items each
    live rule proposes. Safe to run twice."""
    now = timezone.now()
    logger.info("Refreshed the facts of %d items", training_run.refresh_facts(now))
    logger.info("Measured %d live rules", measure_live_rules(now))
    logger.info("Know %d circumstances", circumstances.refresh_circumstances(now))


@tenant_task
def refresh_trending() -> None:
    """Every three minutes: what these hours are about. Safe to run twice, or beside itself."""
    now = timezone.now()
    logger.info("%d items are trending now", trending.refresh_trending(now))
    staleness.note_trending_refreshed(now)


@tenant_task
def measure_staleness() -> None:
    """Every minute: how old is what slates are made from, for the overview and the metrics."""
    measured = staleness.measure_staleness(timezone.now())
    if measured.waiting:
        logger.info("%d of %d items wait to be embedded", measured.waiting, measured.items)


@tenant_task
def update_neighbors() -> None:
    """Every five minutes: the new events counted into the live ranker. Of two at once the second
    waits, and finds nothing left."""
    update = neighbor_updates.update_neighbors(timezone.now())
    if update.events:
        logger.info("Counted %d events: %d items' neighbors", update.events, update.items)


@tenant_task
def train_ranker() -> None:
    """Every ten minutes of the night; once a night it is the tenant's turn. Of two at once one
    trains."""
    version = nightly.train_if_due(timezone.now())
    if version is not None:
        logger.info("Trained %s: %s. %s", version, version.status, version.note)


@tenant_task
def write_buffered_searches() -> None:
    """Every two seconds. Safe to run twice, or beside itself."""
    if written := log.write_searches():
        logger.info("Wrote %d searches", written)


@tenant_task
def refresh_search_words() -> None:
    """Every minute: what search understands and suggests, if items changed. Safe to run twice."""
    phrases = words.refresh_search_words(timezone.now())
    if phrases is not None:
        logger.info("Search suggests %d phrases", phrases)


@tenant_task
def refresh_search_statistics() -> None:
    """Every hour: popular queries, and what shoppers did with results. Safe to run twice."""
    now = timezone.now()
    clicked = words.refresh_clicks(now)
    phrases = words.refresh_search_words(now, anyway=True)
    logger.info("Counted clicks of %d searches; %s phrases", clicked, phrases)
