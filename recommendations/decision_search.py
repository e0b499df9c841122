"""How staff find a decision: by its id, the shopper it was for, or an item it showed."""

from uuid import UUID

from django.db.models import Q, QuerySet

from profiles.finding import find_item_ids, find_shopper_ids
from recommendations.models import Decision, Impression


def find_decisions(decisions: QuerySet[Decision], text: str) -> QuerySet[Decision]:
    """The decisions that `text` is about; all of them for an empty text."""
    if not text:
        return decisions
    if (decision_id := _as_uuid(text)) is not None:
        return decisions.filter(pk=decision_id)
    with_item = Impression.objects.filter(item__in=find_item_ids(text))
    found = Q(shopper__in=find_shopper_ids(text)) | Q(pk__in=with_item.values("decision"))
    return decisions.filter(found)


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
