"""Words of the whole catalog that differ only in spelling are found, and what only looks alike
is left alone."""

import pytest
from django.utils import timezone

from catalog.models import Item
from catalog.quality.models import QualityIssue
from catalog.quality.spelling import fold, same_words
from catalog.quality.vocabulary import check_vocabulary, column_map_of
from tests.make import make_item


@pytest.mark.parametrize(
    "spellings",
    [
        ("color", "Color", "COLOUR", "colour", "Colors", "col-or"),
        ("Screen size", "screen_size", "ScreenSize", "screen-sizes"),
        ("Größe", "Grösse", "GRÖSSE"),
        ("Navy Blue", "navy-blue", "NAVY  BLUE"),
        ("Levi's", "Levis", "LEVI’S"),
        ("1.5 l", "1.5l"),
    ],
)
def test_spellings_of_one_word_fold_into_one_form(spellings: tuple[str, ...]) -> None:
    assert len({fold(spelling) for spelling in spellings}) == 1


def test_what_differs_in_a_number_or_a_short_word_stays_apart() -> None:
    counts = {"1.5 l": 50, "15 l": 50, "size 38": 90, "size 39": 1, "boat": 90, "boot": 2,
              "glass": 5, "glas": 5, "leather": 900, "feather": 3, "red": 1}  # fmt: skip
    assert same_words(counts) == []


def test_a_slip_of_a_frequent_word_is_found_and_an_equally_frequent_word_is_not() -> None:
    counts = {"Polyester": 400, "Polyster": 2, "Ployester": 1, "Polyesterr": 1, "Polyestel": 39,
              "striped": 50, "stripes": 45}  # fmt: skip
    [group] = same_words(counts)
    assert group.suggestion == "Polyester"
    assert group.counts.keys() == {"Polyester", "Polyster", "Ployester", "Polyesterr", "Polyestel"}
    assert group.others == 43


@pytest.mark.usefixtures("tenant")
def test_the_vocabulary_is_checked_for_names_values_brands_and_categories() -> None:
    for number in range(3):
        make_item(attributes={"color": "Navy Blue", "size": number}, brand="Harrow",
                  category_path=("Shoes", "Boots"))  # fmt: skip
    make_item(attributes={"Colour": "navy blue"}, brand="HARROW", category_path=("shoes", "Boot"))
    make_item(attributes={"COLOR": ["Navy-blue", "Red"]}, brand="Other")
    archived = make_item(attributes={"Sizes": "1"}, brand="harrow")
    Item.objects.filter(pk=archived.pk).update(archived_at=timezone.now())
    assert check_vocabulary() == 5
    found = {
        (i.kind, i.about, i.suggestion, i.items): i.spellings for i in QualityIssue.objects.all()
    }
    assert found == {
        ("attribute_name", "", "color", 2): {"color": 3, "Colour": 1, "COLOR": 1},
        ("attribute_value", "color", "Navy Blue", 2): {
            "Navy Blue": 3, "navy blue": 1, "Navy-blue": 1,
        },
        ("brand", "", "Harrow", 1): {"Harrow": 3, "HARROW": 1},
        ("category", "", "Shoes", 1): {"Shoes": 3, "shoes": 1},
        ("category", "", "Boots", 1): {"Boots": 3, "Boot": 1},
    }  # fmt: skip
    names = QualityIssue.objects.get(kind="attribute_name")
    assert column_map_of(names) == {"Colour": "attribute:color", "COLOR": "attribute:color"}


@pytest.mark.usefixtures("tenant")
def test_an_accepted_issue_stays_accepted_until_another_spelling_joins() -> None:
    make_item(brand="Harrow")
    make_item(brand="Harrow")
    other = make_item(brand="HARROW")
    check_vocabulary()
    QualityIssue.objects.update(accepted_at=timezone.now())
    check_vocabulary()
    assert QualityIssue.objects.get().accepted_at is not None
    make_item(brand="harrow")
    check_vocabulary()
    assert QualityIssue.objects.get().accepted_at is None
    Item.objects.exclude(pk=other.pk).update(brand="")
    assert (check_vocabulary(), QualityIssue.objects.count()) == (0, 0)
