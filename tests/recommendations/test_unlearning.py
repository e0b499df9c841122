"""Whoever is erased, or allows research no more, is in nothing that was learned."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_django import Settings

from catalog.models import Item
from profiles.consent import record_consent
from profiles.identity import ShopperRef, ensure_shoppers, find_shopper
from profiles.ingest import record_events
from profiles.models import EventKind, Purpose, Shopper
from profiles.requests import request_erasure, run
from recommendations import training_run
from recommendations.models import ItemComplements, ItemNeighbors, ItemPairs, RankerVersion
from recommendations.promotion import promote
from recommendations.training.fit import fit
from recommendations.training_run import train
from tenants.errors import DomainError
from tenants.models import Tenant
from tests.make import make_event, make_item, make_shopper

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Status = RankerVersion.Status
Learned = dict[int, dict[int, float]]


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.PRIVACY_DIR = tmp_path / "privacy"


@pytest.fixture
def shop(tenant: Tenant) -> tuple[list[Shopper], list[Item]]:
    """Nine shoppers who bought six of ten items each, and nothing learned yet; and an item that
    the first of them alone bought."""
    random = np.random.default_rng(3)
    shoppers, items = [make_shopper() for _ in range(9)], [make_item() for _ in range(11)]
    for shopper in shoppers:
        for item in random.choice(10, size=6).tolist():
            buy(shopper, items[item], days=float(random.uniform(1, 40)))
    buy(shoppers[0], items[10], days=0.5)
    return shoppers, items


def buy(shopper: Shopper, item: Item, *, days: float) -> None:
    make_event(shopper, item, EventKind.PURCHASE, at=NOW - timedelta(days=days))


def neighbors_of(version: RankerVersion | None = None) -> Learned:
    version = version or RankerVersion.objects.live().get()
    return {
        row.item_id: dict(zip(row.neighbor_ids, row.weights, strict=True))
        for row in ItemNeighbors.objects.filter(ranker=version)
        if row.neighbor_ids
    }


def research(shopper: Shopper, *, granted: bool) -> None:
    record_consent(shopper, Purpose.RESEARCH, granted=granted, source="tests")


def rows_of(version: RankerVersion) -> int:
    learned = (ItemNeighbors, ItemComplements, ItemPairs)
    return sum(model._default_manager.filter(ranker=version).count() for model in learned)


def assert_same(one: Learned, other: Learned) -> None:
    assert one.keys() == other.keys()
    for item, row in one.items():
        assert row == pytest.approx(other[item], abs=1e-5), item


def test_withdrawing_research_takes_a_shopper_off_at_once_and_granting_it_counts_them_in(
    shop: tuple[list[Shopper], list[Item]],
) -> None:
    shoppers, items = shop
    train(NOW)
    with_all = neighbors_of()
    assert items[10].pk in with_all
    for _ in range(3):  # again and again, without pulling anything down
        research(shoppers[0], granted=False)
        without = neighbors_of()
        assert items[10].pk not in without
        assert not any(items[10].pk in row for row in without.values())
        research(shoppers[0], granted=False)
        assert_same(neighbors_of(), without)
        research(shoppers[0], granted=True)
        assert_same(neighbors_of(), with_all)


def test_a_device_that_turns_out_to_be_of_somebody_who_refuses_is_unlearned(
    shop: tuple[list[Shopper], list[Item]],
) -> None:
    _, items = shop
    lamp = make_item()
    record_events(
        [
            {"kind": "purchase", "anonymous": "phone", "item": item.external_id,
             "occurred_at": NOW - timedelta(days=2)}
            for item in (lamp, items[0], items[1])
        ]
    )  # fmt: skip
    device = find_shopper(ShopperRef(anonymous="phone"))
    assert device is not None
    research(device, granted=True)
    known = make_shopper("kim", granted=False)
    research(known, granted=False)
    train(NOW)
    assert lamp.pk in neighbors_of()
    ensure_shoppers([ShopperRef(known="kim", anonymous="phone")])
    learned = neighbors_of()
    assert lamp.pk not in learned
    assert not any(lamp.pk in row for row in learned.values())


def test_somebody_without_anything_learned_changes_nothing(
    shop: tuple[list[Shopper], list[Item]],
) -> None:
    version = train(NOW)
    newcomer = make_shopper()
    make_event(newcomer, shop[1][0], EventKind.PURCHASE, at=NOW + timedelta(hours=1))
    before = neighbors_of()
    research(newcomer, granted=False)
    version.refresh_from_db()
    assert (version.left_at, neighbors_of()) == (None, before)


@pytest.mark.parametrize("leaves", ["erased", "withdraws"])
def test_no_version_that_knew_somebody_who_left_serves_again(
    shop: tuple[list[Shopper], list[Item]], leaves: str
) -> None:
    shoppers, items = shop
    first = train(NOW)
    second = train(NOW + timedelta(days=1))
    for version in (first, second):
        version.refresh_from_db()
    assert (first.status, second.status) == (Status.RETIRED, Status.LIVE)
    assert rows_of(first) > 0
    if leaves == "erased":
        run(request_erasure(str(shoppers[0].external_id), named_by="known", by="tests"))
    else:
        research(shoppers[0], granted=False)
    assert rows_of(first) == 0
    assert items[10].pk not in neighbors_of()
    with pytest.raises(DomainError, match="left since"):
        promote(first)

    third = train(NOW + timedelta(days=2))
    assert third.status == Status.LIVE
    assert rows_of(second) == 0, "its complements were summed with theirs"
    second.refresh_from_db()
    with pytest.raises(DomainError, match="left since"):
        promote(second)
    assert third.left_at is None
    assert items[10].pk not in neighbors_of()
    assert not ItemComplements.objects.filter(ranker=third, item=items[10]).exists()
    assert promote(third).pk == third.pk


def test_a_version_that_was_promoted_again_loses_the_rows_of_who_leaves(
    shop: tuple[list[Shopper], list[Item]],
) -> None:
    shoppers, items = shop
    first = train(NOW)
    train(NOW + timedelta(days=1))
    promote(first)
    first.refresh_from_db()
    assert first.counting == {}, "it cannot be counted anew"
    assert items[10].pk in neighbors_of(first)
    research(shoppers[0], granted=False)
    assert items[10].pk not in neighbors_of(first)
    assert RankerVersion.objects.live().get() == first


def test_who_leaves_while_a_version_is_trained_is_not_in_it(
    shop: tuple[list[Shopper], list[Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shoppers, items = shop

    def somebody_leaves(*args: Any, **kwargs: Any) -> Any:
        fitted = fit(*args, **kwargs)
        research(shoppers[0], granted=False)
        return fitted

    monkeypatch.setattr(training_run, "fit", somebody_leaves)
    version = train(NOW)
    assert (version.status, version.shoppers) == (Status.LIVE, 8)
    learned = neighbors_of()
    assert learned
    assert items[10].pk not in learned
    assert not any(items[10].pk in row for row in learned.values())
    version.refresh_from_db()
    assert version.left_at is None, "so it may serve again"
