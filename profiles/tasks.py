"""Background work on shoppers' data."""

import logging

from django.utils import timezone

from profiles import requests, retention
from profiles.ingest import forget_keys
from tenants.tasks import tenant_task

logger = logging.getLogger(__name__)


@tenant_task
def forget_old_idempotency_keys() -> None:
    """Nightly. Safe to run twice: the second run finds nothing."""
    logger.info("Forgot %d idempotency keys", forget_keys(timezone.now()))


@tenant_task
def apply_retention() -> None:
    """Nightly, before the training, which then learns from what is left. Safe to run twice: the
    second run finds nothing."""
    for run in retention.apply_retention(timezone.now()):
        if run.rows or run.partitions:
            logger.info(
                "Removed %d rows of %s before %s, %d months whole",
                run.rows, run.kind, f"{run.before:%F}", len(run.partitions),
            )  # fmt: skip


@tenant_task
def run_privacy_requests() -> None:
    """Every minute, and when one is approved. Safe to run twice, or beside itself: two take turns
    step by step, and a step that is done is not done again."""
    if done := requests.run_waiting():
        logger.info("Answered %d requests of shoppers", done)
