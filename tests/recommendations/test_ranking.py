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
