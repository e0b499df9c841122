"""What becomes of what was learned when somebody leaves: is erased, or allows research no more."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from profiles.consent import permitted_events
from profiles.learning import Learner
from profiles.models import Purpose
from recommendations.models import ItemComplements, ItemNeighbors, ItemPairs, RankerVersion
from recommendations.neighbor_updates import count_shoppers, forget_shoppers
from recommendations.training_run import KINDS, read_log
from tenants.settled import unsettle

LEARNED = (ItemNeighbors, ItemComplements, ItemPairs)
Status = RankerVersion.Status


@transaction.atomic
def unlearn(shoppers: Collection[int], now: datetime) -> None:
    """Take what these shoppers did off every version, while it may still be read.

    The live one is counted anew without them. What cannot be counted anew does not stay: what
    other versions learned is deleted, and the live one may not serve again once it is retired, for
    its complements are sums with theirs. Does nothing for those of whom nothing was learned.
    """
    # In the order of `promote`. A training that comes to its end waits here, or is seen.
    versions = list(RankerVersion.objects.select_for_update().order_by("pk"))
    live = next((version for version in versions if version.status == Status.LIVE), None)
    in_training = any(version.status == Status.TRAINING for version in versions)
    theirs = permitted_events(Purpose.RESEARCH).filter(
        shopper__in=shoppers, item__isnull=False, kind__in=KINDS
    )
    if live is not None and live.counting and not in_training:
        theirs = theirs.filter(pk__lte=int(live.counting["through"]))
    if not versions or not theirs.exists():
        return
    if live is not None and live.counting:
        forget_shoppers(shoppers, now)
    elif live is not None:
        # It was promoted again, and its counts are gone: so go the rows that theirs are in.
        items = read_log(now, shoppers=shoppers).item_ids.tolist()
        ItemNeighbors.objects.filter(ranker=live, item__in=items).delete()
        ItemComplements.objects.filter(ranker=live, item__in=items).delete()
    RankerVersion.objects.exclude(status=Status.FAILED).update(left_at=now)
    for learned in LEARNED:
        learned.objects.exclude(ranker=live).delete()
    unsettle()


def _forget(shoppers: Collection[int]) -> None:
    unlearn(shoppers, timezone.now())


def _count_in(shoppers: Collection[int]) -> None:
    count_shoppers(shoppers, timezone.now())


LEARNER = Learner(forget=_forget, count_in=_count_in)
