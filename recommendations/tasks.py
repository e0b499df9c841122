"""Background work of recommendations: writing decisions down, refreshing facts, training."""

import logging

from django.utils import timezone

from recommendations import feedback, training_run, trending
from tenants.tasks import tenant_task

logger = logging.getLogger(__name__)


@tenant_task
def write_buffered_decisions() -> None:
    """Every two seconds. Safe to run twice, or beside itself."""
    if written := feedback.write_decisions():
        logger.info("Wrote %d decisions", written)


@tenant_task
def delete_expired_decisions() -> None:
    """Nightly. Safe to run twice: the second run finds nothing."""
    logger.info("Deleted %d expired decisions", feedback.delete_expired(timezone.now()))


@tenant_task
def refresh_popularity() -> None:
    """Every ten minutes: popularity and trend from the events so far. Safe to run twice."""
    logger.info("Refreshed the facts of %d items", training_run.refresh_facts(timezone.now()))


@tenant_task
def refresh_trending() -> None:
    """Every three minutes: what these hours are about. Safe to run twice, or beside itself."""
    logger.info("%d items are trending now", trending.refresh_trending(timezone.now()))


@tenant_task
def train_ranker() -> None:
    """Nightly. A second run at once trains another version, which is then no worse."""
    version = training_run.train(timezone.now())
    logger.info("Trained %s: %s. %s", version, version.status, version.note)
