"""Training as a whole: what it chooses for whom, and that any log will do."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendations.scoring import Blend, BlendName, ScoringParams
from recommendations.training.fit import FittedRanker, evaluate_on_split, fit, validation_split
from recommendations.training.histories import fold_log
from recommendations.training.holdout import hold_out, measure
from recommendations.training.log import InteractionLog
from recommendations.training.neighbors import NeighborRecipe
from recommendations.training.ranker import Ranker, learn
from recommendations.training.recipe import Recipe, TrainingParams
from tests.recommendations.logs import KINDS, at_day, log_of_courses, log_of_tastes, make_log

NOW = at_day(61)
BLENDS: tuple[BlendName, ...] = ("home", "discovery")
ONLY_POPULAR = Recipe(
    scoring=ScoringParams(home=Blend(neighbors=0.0), discovery=Blend(neighbors=0.0))
)


def parts(ranker: Ranker) -> list[list[float]]:
    return [
        ranker.neighbors.data.tolist(),
        ranker.neighbors.indices.tolist(),
        ranker.neighbors.indptr.tolist(),
        ranker.popularity.tolist(),
        ranker.trend.tolist(),
        ranker.repeat.tolist(),
    ]


@pytest.mark.parametrize(
    "events",
    [
        [],
        [(1, 1, 5.0, "purchase")],
        [(1, 1, 5.0, "dwell")],
        [(shopper, 1, 5.0, "purchase") for shopper in range(10)],
        [(1, item, 5.0, "view") for item in range(10)],
    ],
    ids=["no event", "one event", "nothing that ranks", "one item", "one shopper"],
)
def test_the_smallest_logs_give_a_ranker(events: list[tuple[int, int, float, str]]) -> None:
    log = make_log(events)
    fitted = fit(log, now=NOW)
    assert fitted.ranker.item_ids.tolist() == log.item_ids.tolist()
    assert len(dict(fitted.ranker.rows())) == len(log.item_ids)
    assert fitted.ranker.recipe == Recipe()  # nothing to choose by
    assert np.isfinite(fitted.ranker.neighbors.data).all()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 6),
            st.integers(0, 6),
            st.floats(0, 60),
            st.sampled_from(KINDS),
        ),
        max_size=60,
    )
)
def test_any_log_gives_finite_weights_and_none_below_zero(
    events: list[tuple[int, int, float, str]],
) -> None:
    fitted = fit(make_log(events), now=NOW, params=TrainingParams(min_shoppers=1))
    for values in parts(fitted.ranker):
        assert all(np.isfinite(value) and value >= 0 for value in values)


def test_training_never_sees_events_after_now() -> None:
    log = log_of_tastes(repeats=True)
    now = at_day(45)
    until_then = fit(log.before(now), now=now)
    with_the_future = fit(log, now=now)
    assert parts(until_then.ranker) == parts(with_the_future.ranker)
    assert until_then.quality == with_the_future.quality


def test_what_is_measured_on_the_held_out_days_was_learned_before_them() -> None:
    log = log_of_tastes(repeats=False)
    split_at = at_day(50)
    before = learn(log.before(split_at), Recipe(), now=split_at, keep=100, seed=7)
    holdout = hold_out(log, split_at=split_at, until=NOW)
    expected = measure(before, holdout, k=20, max_cells=1_000)
    assert evaluate_on_split(log, split_at=split_at, until=NOW, recipe=Recipe()) == expected
    assert expected.all_items.shoppers == len(holdout.shoppers) > 100


def test_the_same_log_gives_the_same_ranker() -> None:
    log = log_of_tastes(repeats=True)
    order = np.random.default_rng(3).permutation(len(log))
    shuffled = InteractionLog.from_ids(
        shopper=log.shopper_ids[log.shopper[order]],
        item=log.item_ids[log.item[order]],
        at=log.at[order],
        kind=log.kind[order],
        kinds=log.kinds,
    )
    assert parts(fit(log, now=NOW).ranker) == parts(fit(shuffled, now=NOW).ranker)


def better_than_popularity(fitted: FittedRanker, log: InteractionLog) -> bool:
    popular = evaluate_on_split(log, split_at=fitted.split_at, until=NOW, recipe=ONLY_POPULAR)
    return fitted.quality.worth > 1.5 * popular.worth


def test_shoppers_who_buy_again_are_shown_what_they_bought_and_others_are_not() -> None:
    again, once = log_of_tastes(repeats=True), log_of_tastes(repeats=False)
    buys_again, buys_once = fit(again, now=NOW), fit(once, now=NOW)

    def own_and_best_other(fitted: FittedRanker, log: InteractionLog) -> tuple[float, float]:
        holdout = hold_out(log, split_at=fitted.split_at, until=NOW)
        scores = fitted.ranker.scores(holdout.histories, "home", now=fitted.split_at)
        had = holdout.had.toarray() > 0
        return float(scores[had].mean()), float(np.where(had, -np.inf, scores).max(axis=1).mean())

    own, other = own_and_best_other(buys_again, again)
    assert own > other
    own, other = own_and_best_other(buys_once, once)
    assert own < other
    assert better_than_popularity(buys_again, again)
    assert better_than_popularity(buys_once, once)


def test_order_is_chosen_where_one_lesson_leads_to_the_next() -> None:
    fitted = fit(log_of_courses(), now=NOW)
    chosen = fitted.ranker.recipe.neighbors
    assert chosen.backward < 0.7
    assert fitted.quality.new_items.ndcg > 0.9
    assert fitted.ranker.recipe.scoring.recency_half_life_days <= 14


def test_a_shopper_without_history_gets_what_sells() -> None:
    log = log_of_tastes(repeats=True)
    ranker = fit(log, now=NOW).ranker
    no_history = fold_log(log.before(0)).of_shoppers(np.array([0]))
    for name in BLENDS:
        scores = ranker.scores(no_history, name, now=NOW)[0]
        assert (scores > 0).sum() == (ranker.popularity > 0).sum() > 20
        assert ranker.popularity[scores.argmax()] > np.median(ranker.popularity)


def test_a_search_from_the_live_recipe_ends_no_lower_on_the_shoppers_that_choose() -> None:
    log = log_of_courses()
    live = Recipe(
        neighbors=NeighborRecipe(reach=2, backward=0.0),
        scoring=ScoringParams(recency_half_life_days=5.0),
    )
    fitted = fit(log, now=NOW, start=live)
    before = evaluate_on_split(log, split_at=fitted.split_at, until=NOW, recipe=live)
    assert fitted.quality.worth >= before.worth


def test_few_held_out_shoppers_choose_nothing() -> None:
    log = log_of_courses(shoppers=40)
    start = Recipe(momentum=0.1)
    assert fit(
        log, now=NOW, start=start, params=TrainingParams(min_shoppers=1_000)
    ).ranker.recipe == (start)
    assert fit(log, now=NOW, start=start, params=TrainingParams(min_shoppers=5)).ranker.recipe != (
        start
    )


def test_a_recipe_of_an_earlier_release_keeps_what_is_still_known() -> None:
    plain = Recipe(momentum=0.1).as_json()
    plain["neighbors"] = {"method": "ease", "ridge": 300.0, "window": 5, "backward": 0.4}
    assert Recipe.from_json(plain) == Recipe(neighbors=NeighborRecipe(backward=0.4), momentum=0.1)


def test_the_last_28_days_are_held_out_or_the_last_sixth_of_a_shorter_log() -> None:
    params = TrainingParams()
    year = make_log([(1, 1, 0.0, "purchase"), (1, 1, 360.0, "purchase")])
    assert validation_split(year, now=at_day(500), params=params) == at_day(332) + 1
    month = make_log([(1, 1, 0.0, "purchase"), (1, 1, 30.0, "purchase")])
    assert validation_split(month, now=at_day(500), params=params) == pytest.approx(
        at_day(25), abs=2
    )


def test_a_recipe_survives_json() -> None:
    recipe = fit(log_of_courses(), now=NOW).ranker.recipe
    assert Recipe.from_json(json.loads(json.dumps(recipe.as_json()))) == recipe


def test_a_log_whose_arrays_differ_is_refused() -> None:
    with pytest.raises(ValueError, match="one element per event"):
        InteractionLog.from_ids(shopper=[1, 2], item=[1], at=[1], kind=[0], kinds=KINDS)
    with pytest.raises(ValueError, match="not one of its kinds"):
        InteractionLog.from_ids(shopper=[1], item=[1], at=[1], kind=[7], kinds=KINDS)
