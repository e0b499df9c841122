"""What the pages of staff say of a request: how pressing it is, how far, whose, and what else."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from profiles import requests
from profiles.erasure import ref_of
from profiles.identity import find_shopper
from profiles.models import PrivacyRequest
from profiles.stores import all_stores
from tenants.audit_models import AuditEntry
from tenants.pages import change_address, list_address

SOON = 7
"""Days before a request is due from which the list warns."""


def due_words(request: PrivacyRequest) -> tuple[str, str]:
    """How pressing an open request is (overdue, soon or open), and in words."""
    left = request.due_at - timezone.now()
    if left < timedelta(0):
        late = (-left).days
        return "overdue", f"Overdue by {_days(late)}" if late else "Overdue since today"
    words = f"in {_days(left.days)}" if left.days else "today"
    return ("soon" if left.days < SOON else "open"), f"Due {words}"


def _days(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def told_of(asked: PrivacyRequest) -> dict[str, Any]:
    """What the page of a request says above its fields."""
    shopper = find_shopper(ref_of(asked)) if asked.named else None
    return {
        **told_of_progress(asked),
        "shopper": shopper,
        "shopper_address": shopper and change_address(shopper),
        "others": [
            {"name": str(other), "status": other.get_status_display(),
             "address": change_address(other), "received_at": other.received_at}
            for other in requests.same_shopper(asked)
        ],
        "trail_address": trail_of(asked),
    }  # fmt: skip


def told_of_progress(asked: PrivacyRequest) -> dict[str, Any]:
    stores = {store.name: store for store in all_stores()}
    steps = list(asked.steps.all())
    pressing, words = due_words(asked) if asked.is_open else ("", "")
    return {
        "asked": asked,
        "pressing": pressing,
        "due_words": words,
        "under_way": asked.is_under_way,
        "stores_done": sum(1 for step in steps if step.done_at),
        "steps": [
            {"store": step.store, "found": step.found, "remaining": step.remaining,
             "done_at": step.done_at,
             "holds": stores[step.store].holds if step.store in stores else "",
             "stays": stores[step.store].keeps if step.store in stores else ""}
            for step in steps
        ],
        "erases": asked.kind == PrivacyRequest.Kind.ERASURE,
    }  # fmt: skip


def trail_of(asked: PrivacyRequest) -> str:
    """The audit trail of one request."""
    return list_address(AuditEntry, q=asked.pk)
