"""What has an age of what recommendations and searches keep, for `profiles.retention`."""

from datetime import datetime

from profiles.retention import Kept, Removed, register_kept
from recommendations import feedback
from recommendations.searching import log


def register_kinds() -> None:
    """Called once, by the app."""
    register_kept(DECISIONS, SEARCHES)


def _remove_old_decisions(before: datetime, _now: datetime) -> Removed:
    return Removed(feedback.delete_old(before))


def _remove_old_searches(before: datetime, _now: datetime) -> Removed:
    return Removed(log.delete_old(before))


DECISIONS = Kept(
    "decisions", "What was shown, at which position, and why", 90, _remove_old_decisions
)
SEARCHES = Kept("searches", "What was searched for", 90, _remove_old_searches)
