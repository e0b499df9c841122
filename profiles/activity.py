"""How busy the shop is: events by the hour, never whose."""

from datetime import datetime

from django.db.models import Count
from django.db.models.functions import TruncHour

from profiles.models import Event


def events_by_hour(since: datetime, until: datetime) -> dict[datetime, int]:
    """How many events occurred in each hour that had any, keyed by the hour's start.

    One statement, on the partitions of the months in question only.
    """
    counted = (
        Event.stored.filter(occurred_at__gte=since, occurred_at__lt=until)
        .order_by()
        .annotate(hour=TruncHour("occurred_at"))
        .values("hour")
        .annotate(events=Count("*"))
    )
    return {row["hour"]: row["events"] for row in counted}
