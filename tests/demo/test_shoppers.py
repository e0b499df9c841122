"""The generated public: different people, tastes that are theirs, consents as in life."""

import pytest

from demo.product_types import product_types
from demo.shop_catalog import shop_items
from demo.shoppers import academy_shoppers, shop_shoppers

SHOPPERS = shop_shoppers(7)


def test_the_shop_has_2000_shoppers_with_names_of_their_own() -> None:
    assert [shopper.external_id for shopper in SHOPPERS] == [f"s-{n}" for n in range(1, 2001)]
    assert len({shopper.name for shopper in SHOPPERS}) == len(SHOPPERS)
    assert len({shopper.email for shopper in SHOPPERS}) == len(SHOPPERS)


def test_the_academy_has_500_learners() -> None:
    learners = academy_shoppers(7)
    assert len(learners) == len({learner.name for learner in learners}) == 500


def test_the_same_seed_makes_the_same_people_and_another_others() -> None:
    assert shop_shoppers(7) == SHOPPERS
    assert shop_shoppers(8) != SHOPPERS


def test_nine_of_ten_grant_personalization_some_only_analytics_some_nothing() -> None:
    granted = [shopper.granted for shopper in SHOPPERS]
    assert 0.87 < sum("personalization" in each for each in granted) / len(granted) < 0.93
    assert 0.03 < granted.count(frozenset({"analytics"})) / len(granted) < 0.09
    assert 0.02 < granted.count(frozenset()) / len(granted) < 0.07


def test_a_summary_is_one_readable_sentence() -> None:
    for shopper in SHOPPERS:
        assert shopper.summary[0].isupper()
        assert shopper.summary.endswith(".")
        assert shopper.summary.count(".") == 1
        assert 10 < len(shopper.summary) < 200


def test_interests_add_up_to_one_over_the_shelves_of_the_shop() -> None:
    paths = {item.category_path for item in shop_items()}
    for shopper in SHOPPERS[:200]:
        assert set(shopper.taste.interests) == paths
        assert sum(shopper.taste.interests.values()) == pytest.approx(1)


def test_brands_and_colors_of_a_taste_can_be_had() -> None:
    brands = {item.brand for item in shop_items()}
    colors = {str(item.attributes.get("color")) for item in shop_items()}
    for shopper in SHOPPERS:
        assert shopper.taste.brands
        assert shopper.taste.brands <= brands
        assert shopper.taste.colors <= colors


def test_people_who_camp_are_drawn_to_tents() -> None:
    tents = next(kind.path for kind in product_types() if kind.key == "tents")
    campers = [s for s in SHOPPERS if "tent" in s.summary]
    assert campers
    everyone = sum(s.taste.interests[tents] for s in SHOPPERS) / len(SHOPPERS)
    theirs = sum(s.taste.interests[tents] for s in campers) / len(campers)
    assert theirs > 3 * everyone


def test_a_few_shoppers_have_never_come() -> None:
    new = [shopper for shopper in SHOPPERS if not shopper.taste.visits]
    assert 0.02 < len(new) / len(SHOPPERS) < 0.07
