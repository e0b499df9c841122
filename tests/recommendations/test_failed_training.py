"""A training that fails leaves what serves as it was, however far it came."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from profiles.models import EventKind
from recommendations import training_run
from recommendations.models import ItemFacts, ItemNeighbors, RankerVersion
from recommendations.training_run import train
from tenants.models import Tenant
from tests.make import make_event, make_item, make_shopper

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Status = RankerVersion.Status


@pytest.mark.parametrize("step", ["item_facts", "record", "promote"])
def test_the_live_version_serves_on_when_the_last_steps_of_a_training_fail(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    random = np.random.default_rng(3)
    items = [make_item() for _ in range(10)]
    for shopper in [make_shopper() for _ in range(9)]:
        for item in random.choice(10, size=6).tolist():
            at = NOW - timedelta(days=float(random.uniform(1, 40)))
            make_event(shopper, items[item], EventKind.PURCHASE, at=at)
    live = train(NOW)
    facts = list(ItemFacts.objects.order_by("item").values())
    assert (live.status, len(facts)) == (Status.LIVE, 10)

    def broken(*_args: Any, **_options: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(training_run, step, broken)
    with pytest.raises(RuntimeError):
        train(NOW + timedelta(days=1))
    assert RankerVersion.objects.live().get() == live
    failed = RankerVersion.objects.latest("pk")
    assert (failed.status, failed.note) == (Status.FAILED, "Training failed: the disk is full")
    assert not ItemNeighbors.objects.filter(ranker=failed).exists()
    assert list(ItemFacts.objects.order_by("item").values()) == facts
