"""The generated shop: enough products, all different, all sane."""

from decimal import Decimal
from itertools import combinations
from statistics import mean

import pytest

from demo.chance import chance
from demo.colors import colors
from demo.descriptions import describe, word_count
from demo.product_types import product_types
from demo.shop_catalog import shop_items, shop_listings, slug
from demo.values import DemoItem

ITEMS = shop_items()


def test_the_shop_has_over_600_products_in_many_departments() -> None:
    assert len(ITEMS) >= 600
    assert len({item.category_path[0] for item in ITEMS}) >= 8
    assert {len(item.category_path) for item in ITEMS} <= {2, 3}


def test_titles_and_ids_are_unique_and_ids_fit_in_an_address() -> None:
    assert len({item.title for item in ITEMS}) == len(ITEMS)
    assert len({item.external_id for item in ITEMS}) == len(ITEMS)
    assert all(item.external_id == slug(item.external_id) for item in ITEMS)
    assert max(len(item.external_id) for item in ITEMS) <= 64


def test_no_title_carries_a_bare_number_as_its_name() -> None:
    assert all(word_count(item.title) >= 2 for item in ITEMS)
    assert not [item.title for item in ITEMS if item.title.split()[0] in {"Product", "Item"}]


def test_a_description_has_50_to_110_words_in_whole_sentences() -> None:
    for item in ITEMS:
        assert 50 <= word_count(item.description) <= 110, item.title
        assert item.description[-1] == ".", item.title
        assert not {"{", "}", "  "} & set(item.description), item.title


def test_descriptions_are_all_different_and_share_few_phrases() -> None:
    assert len({item.description for item in ITEMS}) == len(ITEMS)
    phrases = [_phrases(item.description) for item in ITEMS]
    overlaps = [_overlap(one, other) for one, other in combinations(phrases, 2)]
    assert mean(overlaps) < 0.01


def test_descriptions_of_different_products_are_mostly_their_own() -> None:
    first_of_model = {item.group_id or item.external_id: item for item in reversed(ITEMS)}
    phrases = [_phrases(item.description) for item in first_of_model.values()]
    assert max(_overlap(one, other) for one, other in combinations(phrases, 2)) < 0.6


def test_a_family_is_one_product_in_several_colors() -> None:
    families: dict[str, list[DemoItem]] = {}
    for item in ITEMS:
        if item.group_id:
            families.setdefault(item.group_id, []).append(item)
    assert len(families) > 100
    for family in families.values():
        assert len({item.attributes["color"] for item in family}) == len(family) > 1
        assert len({(item.brand, item.price, item.category_path) for item in family}) == 1


def test_prices_are_in_euros_and_end_as_shop_prices_do() -> None:
    assert {item.currency for item in ITEMS} == {"EUR"}
    assert all(item.price > 0 for item in ITEMS)
    assert all(str(item.price)[-2:] in {"90", "50"} for item in ITEMS)
    assert all(str(i.sale_price)[-2:] == "90" for i in ITEMS if i.sale_price is not None)


def test_about_one_item_in_five_is_on_sale_and_never_below_cost() -> None:
    on_sale = [item for item in ITEMS if item.sale_price is not None]
    assert 0.15 < len(on_sale) / len(ITEMS) < 0.27
    for item in on_sale:
        assert item.cost < item.price_now < item.price
        assert 0.05 < 1 - item.price_now / item.price < 0.4, item.title


def test_the_margin_on_the_regular_price_is_30_to_60_percent() -> None:
    cent = Decimal("0.005")
    for item in ITEMS:
        margin = (item.price - item.cost) / item.price
        slack = cent / item.price
        assert Decimal("0.30") - slack <= margin <= Decimal("0.60") + slack, item.title


def test_some_items_are_sold_out_and_some_nearly() -> None:
    stock = [item.stock for item in ITEMS]
    assert all(pieces is not None and pieces >= 0 for pieces in stock)
    assert 0.01 < stock.count(0) / len(stock) < 0.08
    assert 0.03 < sum(1 <= (pieces or 0) <= 5 for pieces in stock) / len(stock) < 0.15


def test_attributes_say_what_a_shopper_asks() -> None:
    for item in ITEMS:
        assert item.attributes, item.title
        for name, fact in item.attributes.items():
            assert name == name.lower()
            assert isinstance(fact, str | int | float | bool), (item.title, name)
            assert fact != ""
            if isinstance(fact, int | float) and not isinstance(fact, bool):
                assert fact > 0 or name in {"temperature_c", "age_from"}, (item.title, name)
    assert {"waterproof", "capacity_l", "weight_g", "age_from", "material", "color", "sizes"} <= {
        name for item in ITEMS for name in item.attributes
    }


def test_every_product_type_goes_with_types_that_exist() -> None:
    kinds = {kind.key for kind in product_types()}
    assert len(kinds) == len({kind.path for kind in product_types()}) == len(product_types())
    for kind in product_types():
        assert set(kind.goes_with) <= kinds, kind.key
        assert kind.queries, kind.key
        assert kind.season <= set(range(1, 13)), kind.key


def test_every_color_of_a_product_can_be_painted_and_described() -> None:
    for listing in shop_listings():
        assert listing.color in colors(), listing.item.title
        if listing.item.group_id:
            assert colors()[listing.color].notes, listing.color


def test_a_slug_is_plain_letters_digits_and_hyphens() -> None:
    assert slug("Maison Orée’s Men's Café, Size 7.5!") == "maison-orees-mens-cafe-size-7-5"


def test_a_description_too_short_to_be_one_is_refused() -> None:
    with pytest.raises(ValueError, match="words in a description"):
        describe("A mug.", details=["It is blue."], closings=["Wash it."], rng=chance("short"))


def _phrases(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[start : start + 5]) for start in range(len(words) - 4)}


def _overlap(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return len(one & other) / min(len(one), len(other))
