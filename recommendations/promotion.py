"""Which ranker version serves: promoting one retires the one before."""

from django.db import transaction

from recommendations.models import ItemComplements, ItemNeighbors, ItemPairs, RankerVersion
from recommendations.training.recipe import Recipe
from tenants.errors import DomainError, ErrorKind
from tenants.settled import unsettle

PROMOTABLE = frozenset({RankerVersion.Status.CANDIDATE, RankerVersion.Status.RETIRED})
"""What may go live: a version that was trained to its end."""


def promote(version: RankerVersion, *, note: str = "") -> RankerVersion:
    """Make `version` live and retire the live one, in one transaction; the promoted row.

    `note` is added to the version's own. Promoting the live version changes nothing. Raises
    DomainError `not_promotable` for one that is in training or failed, for one so old that what it
    had learned was deleted, or that this release cannot read how it scores, and for one that had
    learned from somebody who was erased or allows it no more.
    """
    with transaction.atomic():
        # All of them, in one order: of two promotions at a time the second waits and then sees
        # what the first did, instead of meeting it at the constraint of one live version.
        locked = RankerVersion.objects.select_for_update().order_by("pk").in_bulk()
        promoted = locked[version.pk]
        if promoted.status == RankerVersion.Status.LIVE:
            return promoted
        if problem := _problem_with(promoted):
            raise DomainError("not_promotable", problem, kind=ErrorKind.CONFLICT)
        for retired in RankerVersion.objects.live():
            retired.status = RankerVersion.Status.RETIRED
            retired.save(update_fields=["status"])
            if retired.left_at is not None:
                # Its complements are summed with those of somebody who left.
                for learned in (ItemNeighbors, ItemComplements, ItemPairs):
                    learned.objects.filter(ranker=retired).delete()
        promoted.status = RankerVersion.Status.LIVE
        promoted.note = "\n".join(part for part in (promoted.note, note) if part)
        promoted.save(update_fields=["status", "note"])
        unsettle()
    return promoted


def _problem_with(version: RankerVersion) -> str:
    """Why the version cannot serve; empty if it can."""
    if version.status not in PROMOTABLE:
        return f"{version} is {version.get_status_display().lower()}, so it cannot serve."
    if version.left_at is not None:
        return (
            f"Somebody whose events {version} had learned from has left since; train a new version."
        )
    if version.items and not ItemNeighbors.objects.filter(ranker=version).exists():
        return f"What {version} had learned was deleted since; train a new version."
    try:
        Recipe.from_json(version.params)
    except (KeyError, TypeError):
        return f"{version} was trained by another release; train a new version."
    return ""
