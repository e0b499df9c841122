"""Background work on shoppers' data."""

import logging

from django.utils import timezone

from profiles.ingest import forget_keys
from tenants.tasks import tenant_task

logger = logging.getLogger(__name__)


@tenant_task
def forget_old_idempotency_keys() -> None:
    """Nightly. Safe to run twice: the second run finds nothing."""
    logger.info("Forgot %d idempotency keys", forget_keys(timezone.now()))
