"""Slots of a slate: pins hold positions, caps hold, discovery gets its share, for any ranking."""

from collections import Counter
from math import ceil

from hypothesis import assume, given
from hypothesis import strategies as st

from recommendations.pipeline.reranking import Caps, discover, place_pins
from recommendations.pipeline.slots import fill
from recommendations.rules import Guard
from recommendations.values import Candidate

CATEGORIES = ("", "Tents", "Pans", "Books")
BRANDS = ("", "Acme", "Zeta")


@st.composite
def rankings(draw: st.DrawFn) -> list[Candidate]:
    """A ranking, best first, with pins at distinct positions and some on top."""
    size = draw(st.integers(0, 40))
    pins = draw(st.permutations([*range(1, 12), *[None] * 29])) if size else []
    return [
        Candidate(
            item_id,
            float(-item_id),
            draw(st.sampled_from(CATEGORIES)),
            draw(st.sampled_from(BRANDS)),
            draw(st.sampled_from(("", "", "", "g1", "g2"))),
            pins[item_id],
            draw(st.booleans()),
        )
        for item_id in range(size)
    ]


guards = st.builds(
    Guard,
    max_per_category=st.none() | st.integers(1, 4),
    max_per_brand=st.none() | st.integers(1, 4),
    discovery_share=st.sampled_from((0.0, 0.2, 0.5, 1.0)),
    new_share=st.sampled_from((0.0, 0.3)),
)


@given(rankings(), guards, st.integers(1, 15), st.sampled_from((0.0, 0.3, 1.0)))
def test_pins_hold_their_positions_and_the_caps_hold_for_all_others(
    ranked: list[Candidate], guard: Guard, limit: int, diversity: float
) -> None:
    filled = fill(
        ranked, limit=limit, diversity=diversity, guard=guard, usual={"Tents"}, seed="seed"
    )
    ids = [candidate.item_id for candidate in filled.picked]
    assert len(ids) == len(set(ids)) <= limit
    assert set(ids) <= {candidate.item_id for candidate in ranked}
    for place, candidate in enumerate(filled.picked, start=1):
        if candidate.item_id in filled.pins and candidate.pin and candidate.pin <= len(ids):
            assert place == candidate.pin
    groups = [c.group_id for c in filled.picked if c.group_id and c.item_id not in filled.pins]
    assert len(groups) == len(set(groups))
    for kind, most in (("category", guard.max_per_category), ("brand", guard.max_per_brand)):
        held = Counter(getattr(c, kind) for c in filled.picked)
        pinned = Counter(getattr(c, kind) for c in filled.picked if c.item_id in filled.pins)
        for value, number in held.items():
            assert not value or most is None or number <= max(most, pinned[value])


@given(rankings(), st.integers(1, 15))
def test_every_pin_that_the_slate_reaches_is_in_it(ranked: list[Candidate], limit: int) -> None:
    ranked = [candidate._replace(group_id="") for candidate in ranked]
    filled = fill(ranked, limit=limit, diversity=0.3, guard=Guard(), usual=(), seed="")
    reached = [c.item_id for c in ranked if c.pin and c.pin <= limit]
    assert filled.pins == set(reached)
    assert len(filled.picked) == min(limit, len(ranked))


@given(
    st.lists(st.sampled_from(CATEGORIES), min_size=1, max_size=30),
    st.sampled_from((0.1, 0.25, 0.5, 1.0)),
    st.integers(1, 10),
)
def test_discovery_gets_its_share_as_far_as_there_are_items_for_it(
    categories: list[str], share: float, limit: int
) -> None:
    ranked = [Candidate(n, float(-n), category) for n, category in enumerate(categories)]
    fits = {c.item_id for c in ranked if c.category == "Books"}
    slate, explored = discover(
        ranked[:limit], ranked, fits=fits, share=share, caps=Caps(), seed="a"
    )
    shown = sum(candidate.item_id in fits for candidate in slate)
    assert shown >= min(ceil(share * len(slate)), len(fits))
    natural = {candidate.item_id for candidate in ranked[:limit]}
    assert set(explored.items) == {c.item_id for c in slate} - natural
    again, _ = discover(ranked[:limit], ranked, fits=fits, share=share, caps=Caps(), seed="a")
    assert again == slate, "the seed repeats it"


def test_other_days_explore_other_items() -> None:
    ranked = [Candidate(n, float(-n), "Tents" if n < 10 else "Books") for n in range(40)]
    fits = frozenset(range(10, 40))
    found = {
        discover(ranked[:10], ranked, fits=fits, share=0.2, caps=Caps(), seed=f"{day}")[1].items
        for day in range(20)
    }
    assert len(found) > 5


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 8))
def test_of_two_pins_to_one_place_the_first_holds_it_and_none_is_lost(
    positions: list[int], others: int
) -> None:
    pins = [Candidate(n, 0.0, pin=position) for n, position in enumerate(positions)]
    picked = [Candidate(100 + n, 0.0) for n in range(others)]
    slate = place_pins(pins, picked)
    assert sorted(c.item_id for c in slate) == sorted(c.item_id for c in (*pins, *picked))
    assert [c for c in slate if not c.pinned] == picked
    first = pins[positions.index(min(positions))]
    assume(min(positions) <= len(slate))
    assert slate[min(positions) - 1] == first


def test_a_pinned_variant_stands_for_its_group_though_another_ranks_higher() -> None:
    ranked = [
        Candidate(1, 3.0, group_id="shoe"),
        Candidate(2, 2.0, group_id="shoe", pin=1),
        Candidate(3, 1.0),
    ]
    filled = fill(ranked, limit=3, diversity=0, guard=Guard(), usual=(), seed="")
    assert [candidate.item_id for candidate in filled.picked] == [2, 3]
