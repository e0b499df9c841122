"""Weights by regression: found where they can be told, left where they cannot."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from recommendations.scoring import Blend
from recommendations.training.baskets import baskets_of
from recommendations.training.complements import learn_complements
from recommendations.training.evaluation import COVERAGE_SHARE, DISCOVERY_SHARE
from recommendations.training.weights import Parts, better_blend, learn_blend
from tests.recommendations.logs import at_day, make_log

HELD = Blend(neighbors=1.0, popularity=0.5, trend=0.1, content=0.5)


def told_by_neighbors(*, lists: int = 200, items: int = 80, seed: int = 3) -> Parts:
    """What is taken follows the neighbors, a little the popularity, and shuns the content."""
    random = np.random.default_rng(seed)
    neighbors = random.random((lists, items)).astype(np.float32)
    popularity = random.random((1, items)).astype(np.float32)
    content = random.random((lists, items)).astype(np.float32)
    drawn = 3 * neighbors + 0.5 * popularity - content + random.gumbel(size=(lists, items)) / 4
    best = np.argsort(-drawn, axis=1)[:, :3]
    truth = sparse.csr_matrix(
        (np.ones(best.size), (np.repeat(np.arange(lists), 3), best.reshape(-1))),
        shape=(lists, items),
    )
    parts = {
        "neighbors": neighbors,
        "popularity": popularity,
        "content": content,
        "revisit": np.zeros((lists, items), dtype=np.float32),
    }
    return Parts(parts, truth)


def test_the_regression_finds_what_is_followed_and_leaves_out_what_counts_against() -> None:
    learned = learn_blend(told_by_neighbors(), HELD, seed=7)
    assert learned is not None
    assert learned.neighbors == HELD.neighbors  # the scale is kept
    assert learned.content == 0.0
    assert 0.05 < learned.popularity < 0.5


def test_what_the_lists_say_nothing_of_keeps_its_weight() -> None:
    held = replace(HELD, revisit=0.7)
    learned = learn_blend(told_by_neighbors(), held, seed=7)
    assert learned is not None
    assert (learned.revisit, learned.trend) == (0.7, HELD.trend)


def test_learned_weights_are_taken_where_they_win_on_lists_they_were_not_learned_from() -> None:
    parts = told_by_neighbors()
    better = better_blend(parts, HELD, k=10, seed=7, min_gain=0.002)
    assert better != HELD
    gain, _ = parts.judge(better, k=10).gain_over(parts.judge(HELD, k=10))
    assert gain > 0


def test_weights_that_cannot_be_told_apart_stay_as_they_are() -> None:
    random = np.random.default_rng(5)
    parts = told_by_neighbors()
    truth = sparse.random(*parts.truth.shape, density=0.05, random_state=4, format="csr")
    noise = {
        name: random.random(part.shape).astype(np.float32)
        for name, part in parts.generators.items()
    }
    assert better_blend(Parts(noise, truth), HELD, k=10, seed=7, min_gain=0.002) == HELD
    few = parts.rows(np.arange(4))
    assert better_blend(few, HELD, k=10, seed=7, min_gain=0.002) == HELD


def test_a_list_that_shows_more_of_the_catalog_wins_among_equals() -> None:
    parts = told_by_neighbors()
    judged = parts.judge(HELD, k=10)
    wider = replace(judged, shown=judged.shown * 2)
    assert wider.gain_over(judged)[0] == pytest.approx(COVERAGE_SHARE * np.log(2), rel=1e-3)
    assert judged.gain_over(wider)[0] < 0
    discovery = replace(parts, coverage_share=DISCOVERY_SHARE).judge(HELD, k=10)
    wider = replace(discovery, shown=discovery.shown * 2)
    gain, _ = wider.gain_over(discovery)
    assert gain == pytest.approx(DISCOVERY_SHARE * np.log(2), rel=1e-3)
    assert DISCOVERY_SHARE > COVERAGE_SHARE


def test_complements_are_what_one_order_holds_and_not_what_one_shopper_takes() -> None:
    events = []
    for shopper in range(150):
        day = float(shopper % 50)
        # Lamp and bulb (1, 2) in one order, a chair (3) by the same shoppers on another day.
        events += [(shopper, item, day, "purchase") for item in (1, 2)]
        events += [(shopper, item, day + 5, "purchase") for item in (3, 4)]
    log = make_log(events)
    complements = learn_complements(baskets_of(log, seed=7), now=at_day(60), keep=10)
    dense = complements.toarray()
    assert dense[0].nonzero()[0].tolist() == [1]
    assert dense[2].nonzero()[0].tolist() == [3]
    assert (complements.data > 0).all()
    assert dense.diagonal().sum() == 0


def test_an_item_that_is_there_because_of_another_earns_little_of_its_own() -> None:
    events = []
    for shopper in range(200):
        day = float(shopper % 50)
        # A printer (1) brings the ink (2); half of the time paper (3) comes along with both.
        basket = (1, 2, 3) if shopper % 2 else (1, 2)
        events += [(shopper, item, day, "purchase") for item in basket]
    # Paper is also bought with pens (4), without any printer.
    events += [(200 + s, item, 5.0, "purchase") for s in range(100) for item in (3, 4)]
    log = make_log(events)
    dense = learn_complements(baskets_of(log, seed=7), now=at_day(60), keep=10).toarray()
    printer, ink, paper = 0, 1, 2
    assert dense[printer, ink] > 5 * dense[paper, ink] > 0
    assert dense[paper, 3] > dense[printer, 3] == 0


@pytest.mark.parametrize("events", [[], [(1, 1, 5.0, "purchase")]], ids=["nothing", "one item"])
def test_a_log_without_baskets_has_no_complements(
    events: list[tuple[int, int, float, str]],
) -> None:
    log = make_log(events)
    complements = learn_complements(baskets_of(log, seed=7), now=at_day(60), keep=10)
    assert complements.nnz == 0
    assert complements.shape == (len(log.item_ids), len(log.item_ids))


def test_a_basket_ends_with_a_pause_and_is_made_of_the_best_that_a_log_has() -> None:
    minute = 1 / 1440
    bought = [(1, 1, 0.0, "purchase"), (1, 2, 20 * minute, "purchase"), (1, 3, 1.0, "purchase")]
    baskets = baskets_of(make_log(bought), seed=7)
    assert len(baskets) == 1
    assert baskets.items.indices.tolist() == [0, 1]
    seen = [(shopper, item, 0.0, "view") for shopper in range(200) for item in (1, 2)]
    assert len(baskets_of(make_log(seen), seed=7)) == 200
    assert len(baskets_of(make_log([]), seed=7)) == 0
