"""The generated academy: enough to learn, all different, nothing that can run out."""

from itertools import combinations
from statistics import mean

from demo.course_catalog import academy_items, academy_listings
from demo.course_tracks import tracks
from demo.descriptions import word_count

ITEMS = academy_items()


def test_the_academy_has_over_200_plans_lessons_and_articles() -> None:
    assert len(ITEMS) >= 200
    kinds = [item.kind for item in ITEMS]
    assert kinds.count("lesson") > kinds.count("plan") > kinds.count("article") > 10
    assert len({item.category_path[0] for item in ITEMS}) >= 8


def test_titles_ids_and_descriptions_are_unique() -> None:
    assert len({item.title for item in ITEMS}) == len(ITEMS)
    assert len({item.external_id for item in ITEMS}) == len(ITEMS)
    assert len({item.description for item in ITEMS}) == len(ITEMS)
    assert max(len(item.external_id) for item in ITEMS) <= 64


def test_nothing_in_the_academy_can_run_out() -> None:
    assert {item.stock for item in ITEMS} == {None}


def test_a_course_costs_29_to_199_and_a_lesson_less_than_15() -> None:
    for item in ITEMS:
        if item.kind == "plan":
            assert 29 <= item.price_now <= item.price <= 199
            assert item.cost < item.price_now
        else:
            assert 0 <= item.price < 15
            assert item.sale_price is None


def test_the_first_lesson_of_every_track_and_every_article_is_free() -> None:
    for listing in academy_listings():
        if listing.item.kind == "article" or listing.position == 1:
            assert listing.item.price == 0, listing.item.title
        else:
            assert listing.item.price > 0, listing.item.title


def test_a_description_has_50_to_110_words_and_few_phrases_of_others() -> None:
    assert all(50 <= word_count(item.description) <= 110 for item in ITEMS)
    phrases = [_phrases(item.description) for item in ITEMS]
    assert mean(len(one & two) / len(one) for one, two in combinations(phrases, 2)) < 0.03


def test_a_lesson_says_which_course_it_belongs_to() -> None:
    plans = {item.title for item in ITEMS if item.kind == "plan"}
    for item in ITEMS:
        if item.kind == "lesson":
            assert item.attributes["part_of"] in plans
            assert str(item.attributes["part_of"]) in item.description


def test_every_item_names_level_instructor_and_length() -> None:
    for item in ITEMS:
        assert item.attributes["instructor"] == item.brand
        assert item.attributes["level"] in {"beginner", "intermediate", "advanced", "all levels"}
        length = item.attributes["hours" if item.kind == "plan" else "minutes"]
        assert isinstance(length, int)
        assert 0 < length <= 60


def test_every_track_leads_to_tracks_that_exist() -> None:
    shelves = {track.shelf for track in tracks()}
    assert len(shelves) == len(tracks())
    for track in tracks():
        assert set(track.leads_to) <= shelves - {track.shelf}, track.shelf


def _phrases(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[start : start + 5]) for start in range(len(words) - 4)}
