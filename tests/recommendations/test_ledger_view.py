"""How a decision is drawn: true to its ledger, in words."""

import pytest

from profiles.signals import SignalKind
from recommendations.ledger_view import (
    DEEDS,
    GENERATORS,
    SHOWN_CONTRIBUTIONS,
    draw_slate,
    signal_in_words,
)
from recommendations.pipeline.explanation import WORDS
from tests.staff import contribution, served


def test_the_bars_of_a_slate_are_as_long_as_its_scores() -> None:
    long, short = draw_slate(
        [
            served("A", contribution(0.6), contribution(0.2, kind="view")),
            served("B", contribution(0.4)),
        ]
    )
    assert sum(segment.width for segment in long.segments) == pytest.approx(100)
    assert sum(segment.width for segment in short.segments) == pytest.approx(50)
    assert [c.width for c in long.strongest] == pytest.approx([100, 100 / 3])
    assert [c.width for c in short.strongest] == pytest.approx([200 / 3])


def test_what_takes_from_a_score_is_drawn_to_the_other_side_of_zero() -> None:
    buried, other = draw_slate(
        [
            served("A", contribution(0.5), contribution(-0.25, kind="rule", name="Clearance")),
            served("B", contribution(0.75)),
        ]
    )
    gain, loss = buried.segments
    assert (gain.start, gain.width) == pytest.approx((25, 50))
    assert (loss.start, loss.width) == pytest.approx((0, 25))
    assert (gain.negative, loss.negative) == (False, True)
    assert other.segments[0].start == pytest.approx(25), "zero is in one place for all"


def test_the_strongest_come_first_and_what_is_cited_is_never_hidden() -> None:
    ledger = [contribution(1 / (n + 1), title=f"Item {n}") for n in range(20)]
    (item,) = draw_slate([served("A", *ledger, cited=(0, 17))])
    assert [c.amount for c in item.strongest] == sorted(
        (c.amount for c in item.strongest), reverse=True
    )
    assert len(item.strongest) == SHOWN_CONTRIBUTIONS + 1
    assert [c.signal for c in item.strongest if c.cited] == ["Bought “Item 0”", "Bought “Item 17”"]
    together = sum(c.amount for c in (*item.strongest, *item.others))
    assert together == pytest.approx(item.score)
    assert item.others_amount == pytest.approx(sum(c.amount for c in item.others))


def test_a_signal_is_told_in_words() -> None:
    bought = {"kind": "purchase", "title": "Oak table", "events": 2}
    when = {"at": "2025-05-03T10:00:00+00:00"}
    assert signal_in_words({**bought, **when}) == "Bought “Oak table” 2 times, last on 3 May 2025"
    assert signal_in_words({"kind": "view", "item": "OAK-1", **when}) == (
        "Viewed “OAK-1”, on 3 May 2025"
    )
    assert signal_in_words({"kind": "rule", "name": "Push oak"}) == "Rule “Push oak”"
    assert signal_in_words({"kind": "popular", "title": "Itself"}) == "What all shoppers choose"


def test_a_pin_says_what_it_does_without_adding_to_the_score() -> None:
    (item,) = draw_slate(
        [served("A", contribution(0.2), contribution(0, kind="rule", name="Hero"))]
    )
    assert item.strongest[1].because == "puts it first, whatever its score"
    assert item.strongest[1].amount_in_words == "–"


def test_a_small_amount_is_told_from_none() -> None:
    (item,) = draw_slate([served("A", *[contribution(a) for a in (0.25, -0.5, 0.00001, -1e-9)])])
    amounts = [line.amount_in_words for line in item.strongest]
    assert amounts == ["-0.5000", "+0.2500", "+<0.0001", "-<0.0001"]


def test_an_item_without_a_ledger_and_an_empty_slate_can_be_drawn() -> None:
    bare = {**served("A"), "reason": None}
    (item,) = draw_slate([bare])
    assert (item.reason, item.segments, item.strongest) == ("", (), ())
    assert draw_slate([]) == []


def test_every_kind_of_signal_and_every_generator_has_words_and_a_color() -> None:
    assert set(DEEDS) == set(map(str, SignalKind))
    assert set(GENERATORS) == {*WORDS, "relevance"}, "of a search no reason is given"
