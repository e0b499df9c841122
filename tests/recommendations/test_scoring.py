"""The additive score: exact to the signal, and the same offline as in the reference."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.signals import Signal, fold_event
from recommendations.scoring import (
    Amount,
    Blend,
    Neighbors,
    ScoringParams,
    score_history,
    signal_weight,
    total,
)
from recommendations.training.histories import fold_log
from recommendations.training.log import InteractionLog
from recommendations.training.ranker import learn
from recommendations.training.recipe import Recipe
from tests.recommendations.logs import KINDS, START, at_day

RANKING = Path(__file__).resolve().parents[2] / "docs" / "ranking.md"
ITEMS = ("lamp", "shade", "bulb")
LAMP, SHADE, BULB = range(3)

NOW = at_day(100)
PARAMS = ScoringParams(saturation=0.5, recency_half_life_days=30.0)
BLEND = Blend(buy_again=0.8, revisit=0.5, popularity=0.02, trend=0.005)
LEARNED = {
    LAMP: Neighbors(np.array([SHADE, BULB]), np.array([0.4, 0.25], dtype=np.float32), repeat=0.5),
    SHADE: Neighbors(np.array([LAMP, BULB]), np.array([0.3, 0.1], dtype=np.float32)),
}


def signals_of_the_example() -> list[Signal]:
    first = fold_event(None, item=LAMP, kind="purchase", at=at_day(40))
    bought = fold_event(first, item=LAMP, kind="purchase", at=at_day(70))
    return [bought, fold_event(None, item=SHADE, kind="view", at=NOW)]


def ledgers_of(signals: list[Signal], blend: Blend = BLEND) -> dict[int, list[Amount]]:
    return score_history(
        signals,
        candidates=(LAMP, SHADE, BULB),
        neighbors=LEARNED,
        popularity={LAMP: 0.4, BULB: 1.0},
        trend={BULB: 0.5},
        blend=blend,
        now=NOW,
        params=PARAMS,
    )


def test_the_worked_example_of_the_document_is_what_the_code_computes() -> None:
    text = RANKING.read_text()
    bought, viewed = signals_of_the_example()

    assert f"strength {bought.strength:.4f}" in text
    assert f"weighs **{signal_weight(bought, now=NOW, params=PARAMS):.4f}**" in text
    assert f"weighs **{signal_weight(viewed, now=NOW, params=PARAMS):.4f}**" in text
    for item, ledger in ledgers_of([bought, viewed]).items():
        for amount in ledger:
            assert f"| {ITEMS[item]} | `{amount.generator}` |" in text
            assert f"{amount.amount:.4f} |" in text
        assert f"| **{ITEMS[item]}** | | **{total(ledger):.4f}** |" in text


def test_removing_a_signal_lowers_every_score_by_exactly_its_contributions() -> None:
    bought, viewed = signals_of_the_example()
    full = ledgers_of([bought, viewed])
    for removed, kept in ((bought, viewed), (viewed, bought)):
        without = ledgers_of([kept])
        for item, ledger in full.items():
            owed = total(amount for amount in ledger if amount.signal == removed)
            assert total(without[item]) == pytest.approx(total(ledger) - owed, abs=1e-12)
        assert any(amount.signal == removed for ledger in full.values() for amount in ledger)


def test_a_signal_weighs_the_same_whatever_else_the_shopper_did() -> None:
    bought, viewed = signals_of_the_example()
    alone = {amount for ledger in ledgers_of([bought]).values() for amount in ledger}
    together = {amount for ledger in ledgers_of([viewed, bought]).values() for amount in ledger}
    assert alone < together


def test_kinds_that_do_not_rank_add_nothing() -> None:
    dwelt = Signal(LAMP, "dwell", strength=3.0, last_at=NOW, count=3)
    assert signal_weight(dwelt, now=NOW, params=PARAMS) == 0.0
    assert ledgers_of([dwelt]) == ledgers_of([])


def test_the_item_on_the_page_speaks_for_its_neighbors_and_not_for_itself() -> None:
    on_page = Signal(LAMP, "context_item", strength=1.0, last_at=NOW, count=1)
    ledgers = ledgers_of([on_page])
    assert all(amount.signal is None for amount in ledgers[LAMP])
    assert any(amount.signal == on_page for amount in ledgers[SHADE])


def test_an_old_signal_fades_to_a_floor_and_one_from_the_future_counts_as_fresh() -> None:
    bought = Signal(LAMP, "purchase", strength=1.0, last_at=NOW, count=1)

    def weight_at(now: float) -> float:
        return signal_weight(bought, now=now, params=PARAMS)

    assert weight_at(NOW) == 1.0
    assert weight_at(NOW - 1e7) == 1.0
    assert weight_at(NOW + 30 * 86_400) == pytest.approx(0.05 + 0.95 / 2)
    assert weight_at(NOW + 20 * 365 * 86_400) == pytest.approx(0.05)


@pytest.mark.parametrize("saturation", [0.0, 0.5, 1.0])
def test_saturation_decides_how_much_repetition_counts(saturation: float) -> None:
    params = replace(PARAMS, saturation=saturation)
    often = Signal(LAMP, "purchase", strength=4.0, last_at=NOW, count=4)
    assert signal_weight(often, now=NOW, params=params) == pytest.approx(4.0**saturation)


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 5),
        st.integers(0, 400 * 86_400),
        st.integers(0, len(KINDS) - 1),
    ),
    max_size=40,
)


@given(EVENTS)
def test_folding_a_log_at_once_gives_what_folding_event_by_event_gives(
    events: list[tuple[int, int, int, int]],
) -> None:
    log = log_of(events)
    one_by_one: dict[tuple[int, int, str], Signal] = {}
    for shopper, item, at, kind in events:
        key = (shopper, item, KINDS[kind])
        one_by_one[key] = fold_event(
            one_by_one.get(key), item=item, kind=KINDS[kind], at=START + at
        )
    folded = fold_log(log)
    assert len(folded.shopper) == len(one_by_one)
    for position in range(len(folded.shopper)):
        shopper = int(log.shopper_ids[folded.shopper[position]])
        item = int(log.item_ids[folded.item[position]])
        signal = one_by_one[shopper, item, KINDS[folded.kind[position]]]
        assert folded.last_at[position] == signal.last_at
        assert folded.count[position] == signal.count
        assert math.isclose(folded.strength[position], signal.strength, rel_tol=1e-9)


@settings(deadline=None)  # training, on however busy a machine
@given(EVENTS, st.sampled_from(["home", "discovery"]))
def test_offline_scores_are_the_totals_of_the_reference_ledgers(
    events: list[tuple[int, int, int, int]], name: str
) -> None:
    log, now = log_of(events), START + 401 * 86_400.0
    scoring = ScoringParams(discovery=Blend(revisit=0.3, popularity=0.1, trend=0.2))
    recipe = Recipe(scoring=scoring)
    ranker = learn(log, recipe, now=now, keep=3, seed=1)
    scores = ranker.scores(fold_log(log), "home" if name == "home" else "discovery", now=now)

    learned = dict(ranker.rows())
    folded = fold_log(log)
    for row in range(len(log.shopper_ids)):
        signals = [
            Signal(
                int(log.item_ids[folded.item[position]]),
                KINDS[folded.kind[position]],
                float(folded.strength[position]),
                float(folded.last_at[position]),
                int(folded.count[position]),
            )
            for position in np.flatnonzero(folded.shopper == row)
        ]
        ledgers = score_history(
            signals,
            candidates=log.item_ids.tolist(),
            neighbors=learned,
            popularity=dict(zip(log.item_ids.tolist(), ranker.popularity.tolist(), strict=True)),
            trend=dict(zip(log.item_ids.tolist(), ranker.trend.tolist(), strict=True)),
            blend=scoring.home if name == "home" else scoring.discovery,
            now=now,
            params=scoring,
        )
        expected = [total(ledgers[item]) for item in log.item_ids.tolist()]
        assert scores[row].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def log_of(events: list[tuple[int, int, int, int]]) -> InteractionLog:
    return InteractionLog.from_ids(
        shopper=[event[0] for event in events],
        item=[event[1] for event in events],
        at=[START + event[2] for event in events],
        kind=[event[3] for event in events],
        kinds=KINDS,
    )
