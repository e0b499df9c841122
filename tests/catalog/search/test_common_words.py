"""Words that most of a large catalog has: looked through in part, with and without filters."""

from pathlib import Path

import pytest
from tantivy import Query

from catalog.models import Item
from catalog.search import lexical
from catalog.search.indexing import update_index
from catalog.search.lexical import Lexical, conditions
from catalog.search.slots import Dictionary, parse
from catalog.search.storage import OpenIndex, open_index
from catalog.search.values import Filter
from tenants.models import Tenant

ITEMS = 120
COLORS = ("red", "red", "red", "blue", "green")


@pytest.fixture
def opened(tenant: Tenant, index_dir: Path, monkeypatch: pytest.MonkeyPatch) -> OpenIndex:
    """Every item is a lamp; every third is for a desk, every fifth folds."""
    monkeypatch.setattr(lexical, "COSTLY", 0)
    Item.objects.bulk_create(
        Item(
            external_id=f"L{n}",
            title=" ".join(["Lamp", *["desk"] * (n % 3 == 0), *["folding"] * (n % 5 == 0)]),
            description="bright " * (n % 7),
            attributes={"color": COLORS[n % 5]},
            brand="Rare" if n % 40 == 0 else "Usual",
        )
        for n in range(ITEMS)
    )
    update_index(anew=True)
    return open_index()


def asked(opened: OpenIndex, text: str, filters: tuple[Filter, ...]) -> Lexical:
    dictionary = Dictionary(opened, "en")
    return Lexical(opened, dictionary, parse(text, dictionary), conditions(opened, filters))


RED = Filter("attributes.color", values=("red",))
RARE = Filter("brand", values=("Rare",))
NOT_RED = Filter("attributes.color", values=("red",), negated=True)


@pytest.mark.parametrize("filters", [(), (RED,), (NOT_RED,), (RARE,), (RED, RARE)])
def test_the_best_are_those_of_looking_at_everything(
    opened: OpenIndex, filters: tuple[Filter, ...]
) -> None:
    found = asked(opened, "folding desk lamp bright", filters)
    share = found.count(found.filtered()) / ITEMS
    whole = found.best(found.some_word(), ITEMS)
    in_part = found.best_of_some(10, share=share)
    # Of items that score the same, either may be the tenth.
    best = list(whole.scores.values())[:10]
    assert list(in_part.scores.values()) == pytest.approx(best)
    assert in_part.scores == pytest.approx({pk: whole.scores[pk] for pk in in_part.scores})
    assert in_part.count >= whole.count
    assert len(best) == min(10, whole.count)


@pytest.mark.parametrize("text", ["folding desk lamp", "desk lamp", "lamp", "folding desk"])
def test_with_a_rare_word_every_item_that_has_all_of_them_is_scored(
    opened: OpenIndex, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    found = asked(opened, text, (RED,))
    monkeypatch.setattr(lexical, "COSTLY", 1_000_000)
    whole = found.best(found.every_word(), ITEMS)
    assert len(whole.scores) == whole.count > 0
    monkeypatch.setattr(lexical, "COSTLY", 0)
    for most in (0, 1_000):
        monkeypatch.setattr(lexical, "SCORED_ALL", most)
        best = found.best_of_every(ITEMS)
        assert best.scores == pytest.approx(whole.scores)
        assert best.count == whole.count


def test_filters_hold_of_what_is_looked_through_in_part(
    opened: OpenIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "ROUGH", 20)
    looked: list[int] = []
    among = Lexical.among

    def noted(self: Lexical, ids: list[int]) -> Query:
        looked.append(len(ids))
        return among(self, ids)

    monkeypatch.setattr(Lexical, "among", noted)
    found = asked(opened, "folding desk lamp", (RED,))
    best = found.best_of_some(10, share=0.6)
    colors = Item.objects.filter(pk__in=best.scores).values_list("attributes__color", flat=True)
    assert len(best.scores) == 10
    assert set(colors) == {"red"}
    assert looked[0] == 33, "20 of them are red, about"
    assert looked[1] <= 20


def test_filters_too_narrow_for_that_are_asked_first(
    opened: OpenIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "ROUGH", 20)
    monkeypatch.setattr(lexical, "DEEPEST", 40)
    found = asked(opened, "folding desk lamp", (RARE,))
    best = found.best_of_some(10, share=3 / ITEMS)
    assert set(Item.objects.filter(pk__in=best.scores).values_list("brand", flat=True)) == {"Rare"}
    assert (len(best.scores), best.count) == (3, 3)
    assert found.best_of_some(10, share=0.0) == best
