"""Updates between trainings: as if everything had been counted again."""

from datetime import UTC, datetime, timedelta
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from catalog.models import Item
from profiles.models import Event, EventKind, Shopper
from recommendations import neighbor_updates
from recommendations.models import ItemNeighbors, ItemPairs, RankerVersion
from recommendations.neighbor_updates import Update, forget_shoppers, update_neighbors
from recommendations.training.counting import count_pairs
from recommendations.training.increments import merged, pair_change
from recommendations.training.log import InteractionLog
from recommendations.training.neighbors import (
    NeighborRecipe,
    Pairs,
    count_log,
    leads_of,
    log_sequences,
)
from recommendations.training.ranker import POOL, neighbors_of
from recommendations.training.recipe import Recipe, TrainingParams
from recommendations.training_run import last_event, read_log, train
from tenants.models import Tenant
from tests.make import make_event, make_item, make_shopper
from tests.recommendations.logs import KINDS, at_day, make_log

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

EVENTS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 8), st.integers(0, 30), st.sampled_from(KINDS)),
    min_size=1,
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(EVENTS, st.data())
def test_counts_and_their_change_add_up_to_the_counts_of_the_whole(
    events: list[tuple[int, int, int, str]], data: st.DataObject
) -> None:
    log = make_log([(shopper, item, float(day), kind) for shopper, item, day, kind in events])
    first = np.array(data.draw(st.lists(st.booleans(), min_size=len(log), max_size=len(log))))
    recipe = NeighborRecipe(reach=data.draw(st.integers(1, 6)))
    at = at_day(15)

    def counted(part: InteractionLog) -> sparse.csr_matrix:
        sequences = log_sequences(part, half_life_days=recipe.half_life_days, now=at, seed=7)
        return sparse.csr_matrix(count_pairs(sequences, recipe.kernel))

    touched = np.isin(log.shopper, log.shopper[~first])
    change, popularity = pair_change(
        log.where(first & touched), log.where(touched), recipe, at=at, seed=7
    )
    whole = counted(log)
    updated = merged(counted(log.where(first)), change)
    np.testing.assert_allclose(updated.toarray(), whole.toarray(), atol=1e-6)
    back, _ = pair_change(log.where(touched), log.where(first & touched), recipe, at=at, seed=7)
    undone = merged(updated, back).toarray()
    np.testing.assert_allclose(undone, counted(log.where(first)).toarray(), atol=1e-6)
    assert popularity.shape == (len(log.item_ids),)


@pytest.fixture
def shop(tenant: Tenant) -> tuple[list[Shopper], list[Item]]:
    """A trained shop: eight shoppers, twelve items of which two are new after the training."""
    random = np.random.default_rng(3)
    shoppers, items = [make_shopper() for _ in range(8)], [make_item() for _ in range(12)]
    for shopper in shoppers:
        for item in random.choice(10, size=6).tolist():
            make_event(
                shopper,
                items[item],
                EventKind.PURCHASE,
                at=NOW - timedelta(days=float(random.uniform(1, 40))),
            )
    train(NOW)
    return shoppers, items


LATER = NOW + timedelta(days=1)


def learned() -> dict[int, dict[int, float]]:
    live = RankerVersion.objects.live().get()
    return {
        row.item_id: dict(zip(row.neighbor_ids, row.weights, strict=True))
        for row in ItemNeighbors.objects.filter(ranker=live)
    }


def counted_again() -> dict[int, dict[int, float]]:
    """Neighbors of a full count of the log now, with what the live version froze."""
    live = RankerVersion.objects.live().get()
    recipe = Recipe.from_json(live.params).neighbors
    log = read_log(LATER)
    pairs = count_log(log, recipe, now=live.trained_at.timestamp(), seed=TrainingParams().seed)
    known = {row.item_id: row for row in ItemPairs.objects.filter(ranker=live)}
    popularity, momentum = pairs.popularity.copy(), np.ones(len(log.item_ids))
    for place, item in enumerate(log.item_ids.tolist()):
        if known[item].frozen:
            popularity[place], momentum[place] = known[item].popularity, known[item].momentum
    factor = Pairs(pairs.counts, popularity, live.counting["average"]).factor(recipe)
    neighbors = neighbors_of(
        leads_of(pairs.counts, factor, keep=POOL * TrainingParams().keep),
        momentum,
        recipe,
        keep=TrainingParams().keep,
        scale=live.counting["scale"],
    )
    bounds = neighbors.indptr
    return {
        item: dict(
            zip(
                log.item_ids[neighbors.indices[bounds[row] : bounds[row + 1]]].tolist(),
                neighbors.data[bounds[row] : bounds[row + 1]].tolist(),
                strict=True,
            )
        )
        for row, item in enumerate(log.item_ids.tolist())
    }


def assert_same(one: dict[int, dict[int, float]], other: dict[int, dict[int, float]]) -> None:
    for item in one.keys() | other.keys():
        assert one.get(item, {}) == pytest.approx(other.get(item, {}), abs=1e-6), item


def test_updates_give_what_counting_everything_again_gives(
    shop: tuple[list[Shopper], list[Item]],
) -> None:
    shoppers, items = shop
    trained = learned()
    random = np.random.default_rng(4)
    for _ in range(3):
        for _ in range(8):
            make_event(
                shoppers[int(random.integers(8))],
                items[int(random.integers(12))],
                (EventKind.PURCHASE, EventKind.VIEW)[int(random.integers(2))],
                # Some come late: before others that were counted already.
                at=NOW - timedelta(days=float(random.uniform(-0.9, 20))),
            )
        update = update_neighbors(LATER)
        assert update.events == 8
        assert update.items > 0
        assert_same(learned(), counted_again())
    assert learned() != trained
    assert items[10].pk in learned()
    assert update_neighbors(LATER) == Update()


def test_a_shopper_is_taken_off_without_a_trace(shop: tuple[list[Shopper], list[Item]]) -> None:
    _, items = shop
    before = learned()
    newcomer = make_shopper()
    for day, item in enumerate((10, 11, 3, 4)):
        make_event(newcomer, items[item], EventKind.PURCHASE, at=NOW + timedelta(hours=day))
    update_neighbors(LATER)
    assert learned()[items[10].pk]
    assert forget_shoppers([newcomer.pk], LATER) >= 4
    Event.stored.filter(shopper=newcomer).delete()
    after = learned()
    assert not after[items[10].pk]
    assert_same({item: row for item, row in after.items() if row}, before)
    assert forget_shoppers([newcomer.pk], LATER) == 0


def test_an_update_that_breaks_off_leaves_everything_as_it_was(
    shop: tuple[list[Shopper], list[Item]],
) -> None:
    shoppers, items = shop
    before, counting = learned(), RankerVersion.objects.live().get().counting
    make_event(shoppers[0], items[11], EventKind.PURCHASE, at=NOW)
    with (
        mock.patch.object(neighbor_updates, "write_neighbors", side_effect=OSError("disk full")),
        pytest.raises(OSError, match="disk full"),
    ):
        update_neighbors(LATER)
    assert learned() == before
    assert RankerVersion.objects.live().get().counting == counting
    assert update_neighbors(LATER).events == 1
    assert_same(learned(), counted_again())


def test_many_new_events_are_counted_in_turns_and_none_twice(
    shop: tuple[list[Shopper], list[Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shoppers, items = shop
    for turn in range(5):
        make_event(shoppers[turn], items[turn + 5], EventKind.PURCHASE, at=NOW)
    monkeypatch.setattr(neighbor_updates, "MOST_EVENTS", 2)
    assert [update_neighbors(LATER).events for _ in range(4)] == [2, 2, 1, 0]
    assert_same(learned(), counted_again())


def test_a_deleted_item_is_forgotten_by_the_next_update(
    shop: tuple[list[Shopper], list[Item]],
) -> None:
    shoppers, items = shop
    gone = items[0].pk
    items[0].delete()
    make_event(shoppers[0], items[1], EventKind.PURCHASE, at=NOW)
    make_event(shoppers[0], items[2], EventKind.PURCHASE, at=NOW)
    update_neighbors(LATER)
    assert gone not in learned()
    assert gone not in learned()[items[1].pk]


def test_without_a_live_version_or_its_counts_there_is_nothing_to_update(tenant: Tenant) -> None:
    assert update_neighbors(NOW) == Update()
    assert forget_shoppers([1], NOW) == 0
    RankerVersion.objects.create(status="live", params=Recipe().as_json())
    assert update_neighbors(NOW) == Update()
    assert forget_shoppers([1], NOW) == 0
    assert last_event() == 0
