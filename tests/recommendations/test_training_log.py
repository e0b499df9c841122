"""Reading the log: every event that may train, as it was stored, and no other."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import BigIntegerField
from django.db.models.functions import Cast

from catalog.models import Item
from profiles.models import EventKind
from recommendations.copying import copied_integers
from recommendations.training_run import read_log
from tenants.models import Tenant
from tests.make import make_event, make_item, make_shopper

NOW = datetime(2026, 3, 1, 12, 0, 0, 900_000, tzinfo=UTC)


def test_the_log_has_what_may_train_a_ranker_and_nothing_else(tenant: Tenant) -> None:
    lamp, shade = make_item(), make_item()
    anna, ben = make_shopper(), make_shopper(granted=False)
    day = timedelta(days=1)
    make_event(shopper=anna, item=lamp, kind=EventKind.PURCHASE, at=NOW - 2 * day)
    make_event(shopper=anna, item=shade, kind=EventKind.VIEW, at=NOW - day)
    make_event(shopper=anna, item=lamp, kind=EventKind.VIEW, at=NOW + day)
    make_event(shopper=ben, item=lamp, kind=EventKind.PURCHASE, at=NOW - day)

    log = read_log(NOW)

    assert log.shopper_ids.tolist() == [anna.pk]
    assert sorted(log.item_ids.tolist()) == sorted([lamp.pk, shade.pk])
    events = sorted(
        (int(log.at[row]), int(log.item_ids[log.item[row]]), log.kinds[int(log.kind[row])])
        for row in range(len(log))
    )
    assert events == [
        (int((NOW - 2 * day).timestamp()), lamp.pk, "purchase"),
        (int((NOW - day).timestamp()), shade.pk, "view"),
    ]


def test_a_log_without_events_is_empty(tenant: Tenant) -> None:
    assert len(read_log(NOW)) == 0


def test_a_query_of_other_columns_is_refused(tenant: Tenant) -> None:
    make_item(title="Lamp")
    whole = Cast("pk", BigIntegerField())
    assert len(copied_integers(Item.objects.values_list(whole), columns=1)[0]) == 1
    for rows, columns in (
        (Item.objects.values_list(whole), 2),
        (Item.objects.values_list("title"), 1),
    ):
        with pytest.raises(ValueError, match="column"):
            copied_integers(rows, columns=columns)
