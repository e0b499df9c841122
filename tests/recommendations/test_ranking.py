"""Scores of many items at once: looked up, and picked from."""

import numpy as np

from recommendations.pipeline.ranking import NO_SUMS, Sums

SUMS = Sums(np.array([2, 3, 5, 8, 13]), np.array([0.5, 0.9, 0.5, 0.1, 0.9]))


def test_the_strongest_come_first_and_ties_by_id_and_the_excluded_give_their_places_away() -> None:
    assert SUMS.strongest(3, excluded=()) == [3, 13, 2]
    assert SUMS.strongest(3, excluded={13, 2, 99}) == [3, 5, 8]
    assert SUMS.strongest(10, excluded={3, 13, 2, 5, 8}) == []
    assert NO_SUMS.strongest(3, excluded=()) == []


def test_an_item_that_nothing_speaks_of_scores_nothing() -> None:
    assert SUMS.of([8, 1, 13, 99, 4]) == [0.1, 0.0, 0.9, 0.0, 0.0]
    assert SUMS.of([]) == []
    assert NO_SUMS.of([8, 1]) == [0.0, 0.0]


def test_parting_picks_what_sorting_everything_would() -> None:
    random = np.random.default_rng(4)
    for size in (1, 2, 40, 3_000):
        items = np.sort(random.choice(10 * size, size, replace=False))
        scores = random.integers(-3, 6, size) / 4  # with many ties
        excluded = set(random.choice(items, size // 3, replace=False).tolist())
        everything = sorted(zip((-scores).tolist(), items.tolist(), strict=True))
        allowed = [item for _, item in everything if item not in excluded]
        for most in (0, 1, 7, size, 2 * size):
            found = Sums(items, scores).strongest(most, excluded=excluded)
            assert found == allowed[:most]
