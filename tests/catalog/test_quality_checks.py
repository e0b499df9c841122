"""Which flaws an item has: each check finds what it is for, and nothing else."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Item, ItemRating, Offer
from catalog.quality.checks import CHECKS, STORED
from catalog.quality.judging import JUDGE
from catalog.quality.models import ItemQuality, QualityPolicy
from catalog.quality.refresh import check_catalog, check_changed, check_items
from tests.make import make_item

pytestmark = pytest.mark.usefixtures("tenant")

WORDS = (
    "This jacket keeps the rain out and lets the skin breathe on long walks in the hills of the "
    "north, where the weather turns within minutes; its seams are taped, its hood fits over a "
    "helmet, and both of its pockets close with a zip that holds when everything around it is "
    "wet and cold."
)


def good_item(**fields: Any) -> Item:
    """An item that no check finds fault with."""
    defaults: dict[str, Any] = {
        "title": f"Harrow rain jacket number {Item.objects.count()}",
        "description": WORDS,
        "brand": "Harrow",
        "category_path": ("Outdoor", "Jackets"),
        "images": ["https://shop.example/1.jpg", "https://shop.example/2.jpg", "/media/3.jpg"],
    }
    reviews = fields.pop("reviews", 1)
    item = make_item(**{**defaults, **fields})
    if reviews:
        ItemRating.objects.create(item=item, count=reviews, average=Decimal(4))
    return item


def flaws(item: Item) -> set[str]:
    check_catalog()
    return set(ItemQuality.objects.get(item=item).flaws)


def test_an_item_without_flaws_scores_one_hundred() -> None:
    item = good_item()
    assert flaws(item) == set()
    assert item.quality.score == 100


@pytest.mark.parametrize(
    ("flaw", "fields"),
    [
        ("missing_price", {"price": "0"}),
        ("missing_image", {"images": []}),
        ("few_images", {"images": ["/1.jpg", "/2.jpg"]}),
        ("broken_image", {"images": ["/1.jpg", "no_selection", "https://shop.example/2.jpg"]}),
        ("broken_image", {"images": ["/1.jpg", "/2.jpg", "https:///3.jpg"]}),
        ("broken_image", {"images": ["/1.jpg", "/2.jpg", "https://shop.example/a b.jpg"]}),
        ("missing_category", {"category_path": ()}),
        ("short_description", {"description": WORDS.rpartition(" and ")[0][:200]}),
        ("missing_brand", {"brand": ""}),
        ("short_title", {"title": "Jacket"}),
        ("shouting_title", {"title": "HARROW RAIN JACKET"}),
        ("no_reviews", {"reviews": 0}),
    ],
)
def test_a_check_finds_its_flaw_alone(flaw: str, fields: dict[str, Any]) -> None:
    item = good_item(**fields)
    assert flaws(item) == {flaw}
    assert item.quality.score == 100 - CHECKS[flaw].points


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "JBL GO 3 speaker in blue"},
        {"title": "HP 301 XL"},
        {"kind": "lesson", "brand": "", "price": "0"},
        {"images": ["http://localhost:8000/1.jpg", "/2.jpg", "https://a.example?x=1"]},
    ],
)
def test_what_only_looks_like_a_flaw_is_none(fields: dict[str, Any]) -> None:
    assert flaws(good_item(**fields)) <= {"short_title"}


def test_a_product_without_an_offer_has_no_price() -> None:
    item = good_item()
    Offer.objects.filter(item=item).delete()
    assert flaws(item) == {"missing_price"}


def test_text_in_another_language_than_the_items_is_found_and_similar_ones_are_not() -> None:
    german = "Diese Jacke hält den Regen ab und lässt die Haut atmen, auch auf langen Wegen. " * 4
    assert flaws(good_item(description=german)) == {"untranslated_text"}
    assert flaws(good_item(description=german, title="Regenjacke grün", language="de")) == set()
    norwegian = "Jakken holder regnet ute og lar huden puste på lange turer i fjellet i nord. " * 4
    assert flaws(good_item(description=norwegian, language="nb")) == set()
    found = ItemQuality.objects.get(flaws__contains=["untranslated_text"]).found
    assert found == {"untranslated_text": "de"}


def test_a_language_without_spaces_is_measured_by_its_characters() -> None:
    japanese = "このジャケットは雨を防ぎ、北の丘を長く歩くときも肌が呼吸できるようにします。" * 4
    item = good_item(title="レインジャケット防水メンズ", description=japanese, language="ja")
    assert flaws(item) == set()


def test_a_price_far_from_its_category_is_found_in_either_direction() -> None:
    usual = [good_item(price=str(90 + n)) for n in range(12)]
    slipped, dear = good_item(price="0.95"), good_item(price="9500")
    elsewhere = good_item(price="9500", category_path=("Outdoor", "Tents"))
    assert flaws(slipped) == flaws(dear) == {"price_outlier"}
    assert all(flaws(item) == set() for item in (*usual[:2], elsewhere))
    found = ItemQuality.objects.get(item=dear).found
    assert 90 <= float(found["price_outlier"]) <= 102


def test_where_all_prices_are_equal_a_small_difference_is_no_outlier() -> None:
    for _ in range(10):
        good_item(price="50")
    assert flaws(good_item(price="65")) == set()
    assert flaws(good_item(price="500")) == {"price_outlier"}


def test_doubles_are_found_by_title_sku_and_gtin_and_name_each_other() -> None:
    one = good_item(
        external_id="HJ-1", title="Rain jacket, Harrow: Été", attributes={"ean": "1" * 13}
    )
    two = good_item(external_id="hj 1", title="harrow rain ete JACKET")
    three = good_item(external_id="HJ1", attributes={"gtin": "0" + "1" * 13})
    assert flaws(one) == {"duplicate_title", "duplicate_sku", "duplicate_gtin"}
    assert flaws(two) == {"duplicate_title", "duplicate_sku"}
    assert flaws(three) == {"duplicate_gtin"}
    found = ItemQuality.objects.get(item=one).found
    assert found == {
        "duplicate_title": ["hj 1"], "duplicate_sku": ["hj 1"], "duplicate_gtin": ["HJ1"],
    }  # fmt: skip


def test_variants_of_one_group_may_share_a_title() -> None:
    small = good_item(title="Harrow rain jacket", group_id="HJ")
    good_item(title="Harrow rain jacket", group_id="HJ")
    assert flaws(small) == set()
    good_item(title="Harrow rain jacket", group_id="other")
    assert flaws(small) == {"duplicate_title"}


def test_an_item_is_sold_out_for_long_once_that_was_seen_for_long() -> None:
    item = good_item(stock=0)
    now = timezone.now()
    for days, expected in ((0, set()), (29, set()), (31, {"long_sold_out"})):
        check_catalog(now + timedelta(days=days))
        assert set(ItemQuality.objects.get(item=item).flaws) == expected
    Offer.objects.filter(item=item).update(stock=3)
    check_catalog(now + timedelta(days=32))
    assert ItemQuality.objects.get(item=item).flaws == []


def test_the_age_of_stock_counts_when_the_score_is_read() -> None:
    now = timezone.now()
    item, uncounted = good_item(), good_item(stock=None)
    check_catalog(now)

    def score(of: Item, minutes: int) -> int:
        scored = Item.objects.with_quality(now + timedelta(minutes=minutes)).get(pk=of.pk)
        return int(vars(scored)["quality_now"])

    assert (score(item, 14), score(item, 16)) == (100, 95)
    assert score(uncounted, 60) == 100
    QualityPolicy.objects.create(stock_minutes=120, points={"stale_stock": 20})
    assert (score(item, 60), score(item, 121)) == (100, 80)


def test_a_tenants_policy_sets_thresholds_and_points_and_turns_checks_off() -> None:
    item = good_item(images=["/1.jpg"], reviews=0)
    assert flaws(item) == {"few_images", "no_reviews"}
    policy = QualityPolicy.objects.create(minimum_images=1)
    assert flaws(item) == {"no_reviews"}
    policy.points = {"no_reviews": 33}
    policy.save()
    check_catalog()
    assert ItemQuality.objects.get(item=item).score == 67
    policy.points = {"no_reviews": 0}
    policy.save()
    assert flaws(item) == set()


def test_only_items_good_enough_are_fit_for_a_language_model() -> None:
    now = timezone.now()
    good, poor = good_item(), good_item(description="", images=[], brand="")
    check_catalog(now)
    unchecked = good_item()
    fit = set(Item.objects.fit_for_language_model(now))
    assert fit == {good}
    QualityPolicy.objects.create(language_model_score=50)
    assert set(Item.objects.fit_for_language_model(now)) == {good, poor}
    check_changed(now)
    assert unchecked in Item.objects.fit_for_language_model(now)


def test_a_score_never_falls_below_zero() -> None:
    item = make_item(title="X", price="0", images=["x"])
    QualityPolicy.objects.create(points=dict.fromkeys(CHECKS, 60))
    check_catalog()
    assert ItemQuality.objects.get(item=item).score == 0
    later = timezone.now() + timedelta(days=1)
    assert vars(Item.objects.with_quality(later).get(pk=item.pk))["quality_now"] == 0


# -- What changed ---------------------------------------------------------------------------------


def settle(item: Item) -> None:
    """As if it had been changed long ago."""
    Item.objects.filter(pk=item.pk).update(updated_at=timezone.now() - timedelta(hours=1))
    ItemRating.objects.filter(item=item).update(updated_at=timezone.now() - timedelta(hours=1))


def test_only_what_changed_is_checked_again() -> None:
    items = [good_item() for _ in range(3)]
    for item in items:
        settle(item)
    assert check_changed() == 3
    assert check_changed() == 0
    Offer.objects.filter(item=items[0]).update(price=Decimal(0))
    assert check_changed() == 1
    assert ItemQuality.objects.get(item=items[0]).flaws == ["missing_price"]
    Offer.objects.filter(item=items[1]).update(stock=0)
    assert (check_changed(), check_changed()) == (1, 0)
    Offer.objects.update(refreshed_at=timezone.now())
    assert check_changed() == 0, "a feed that says nothing new"
    items[2].brand = ""
    items[2].save()
    assert check_changed() == 1
    assert ItemQuality.objects.get(item=items[2]).flaws == ["missing_brand"]


def test_a_check_of_one_item_also_judges_its_doubles_of_now_and_before() -> None:
    one, two, other = (good_item(title=f"Harrow jacket {n}") for n in ("blue", "green", "gray"))
    check_catalog()
    two.title = "Harrow blue jacket"
    two.save()
    check_items([two.pk])
    assert {q.item for q in doubled()} == {one, two}
    two.title = "Harrow jacket, gray"
    two.save()
    check_items([two.pk])
    assert {q.item for q in doubled()} == {other, two}
    Item.objects.filter(pk=two.pk).update(archived_at=timezone.now())
    for item in (one, other):
        settle(item)
    check_changed()
    assert not doubled()
    assert not ItemQuality.objects.filter(item=two).exists(), "archived items are not judged"


def doubled() -> list[ItemQuality]:
    return list(ItemQuality.objects.filter(flaws__contains=["duplicate_title"]))


def test_a_partial_check_finds_what_a_full_one_finds() -> None:
    titles = ("red lamp of brass", "brass lamp of red", "blue lamp of brass")
    items = [good_item(title=titles[n % 3], external_id=f"L-{n // 2}{'' if n % 2 else ' '}")
             for n in range(9)]  # fmt: skip
    for item in items:
        check_items([item.pk])
    partial = dict(ItemQuality.objects.values_list("item", "flaws"))
    check_catalog()
    full = dict(ItemQuality.objects.values_list("item", "flaws"))
    assert partial == full
    assert all("duplicate_title" in flaws for flaws in full.values())


def test_every_stored_check_can_be_found() -> None:
    """A check that no statement ever writes would be an empty promise."""
    assert all(f"THEN '{code}'" in " ".join(JUDGE.split()) for code in STORED)


def test_every_check_is_documented_with_its_severity_and_points() -> None:
    text = (Path(__file__).parents[2] / "docs" / "catalog-quality.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\w+) \| (\d+) \|$", text, flags=re.MULTILINE)
    assert rows == [(c.code, c.severity, str(c.points)) for c in CHECKS.values()]
