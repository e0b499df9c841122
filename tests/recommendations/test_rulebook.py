"""Rules over a pool: what the page counts is what a request applies, for any target."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import Item, Offer
from recommendations.pipeline.candidates import gather
from recommendations.pipeline.rulebook import RuleBook, attributes_of
from recommendations.rule_reach import reach_of
from recommendations.rules import Rule, RuleKind, Target
from tenants.models import Tenant
from tests.make import make_item

YES_OR_NO = (True, False)
TARGETS: dict[str, dict[str, Any]] = {
    "a category": {"category": ("Shoes",)},
    "a path": {"category": ("Women", "Shoes")},
    "half a name": {"category": ("Shoe",)},
    "a brand": {"brand": "Acme"},
    "a value": {"attribute": "color", "values": frozenset({"red"})},
    "a value of a list": {"attribute": "tags", "values": frozenset({"winter", "rain"})},
    "a truth": {"attribute": "waterproof", "values": frozenset({"true"})},
    "a number as a value": {"attribute": "size", "values": frozenset({"38"})},
    "any value": {"attribute": "color"},
    "a range": {"attribute": "size", "at_least": 38.0, "at_most": 40.0},
    "a range without an end": {"attribute": "weight", "at_least": 1.5},
    "an attribute nobody has": {"attribute": "smell"},
    "a sale": {"on_sale": True},
    "what is new": {"newer_than": timedelta(days=7)},
    "prices": {"price_from": 10.0, "price_to": 20.0},
    "prices in a currency": {"price_above": 15.0, "currency": "EUR"},
    "high margins": {"margin_from": 0.3},
    "low margins": {"margin_below": 0.3},
    "all at once": {"brand": "Acme", "category": ("Shoes",), "price_to": 25.0},
}


@pytest.fixture
def catalog(tenant: Tenant) -> list[int]:
    """Sixty items of every mixture."""
    rng = np.random.default_rng(4)

    def one(*choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    now = timezone.now()
    for _ in range(60):
        price = Decimal(str(one("5", "10", "15", "20", "30.5")))
        attributes = {
            "color": one("red", " Red", "blue", None),
            "tags": one(["Winter", "sale"], ["rain"], [], "winter"),
            "waterproof": one(*YES_OR_NO, "true"),
            "size": one(37, 38, 38.0, "39", "40,5", "large", [41, 38]),
            "weight": one("1.5", "2e0", "", "1.2 kg", 7),
        }
        item = make_item(
            price=price,
            sale_price=one(None, str(price / 2)),
            category_path=one((), ("Shoes",), ("Women", "Shoes", "Boots"), ("Shoes", "Women")),
            brand=one("", "Acme", "Zeta"),
            attributes={name: v for name, v in attributes.items() if one(1, 1, 0)},
            created_at=now - timedelta(days=one(1, 6, 8, 300)),
        )
        Offer.objects.filter(item=item).update(
            cost=one(None, Decimal(4), Decimal(12)), currency=one("EUR", "USD")
        )
    return list(Item.objects.values_list("pk", flat=True))


def matched(target: Target, ids: list[int]) -> set[int]:
    """The items of a target as a request finds them."""
    rule = Rule(1, "r", RuleKind.EXCLUDE, target)
    attributes = attributes_of([rule])
    pool = gather(ids, attributes=attributes)
    verdict = RuleBook([rule], attributes).judge(pool, now=timezone.now().timestamp())
    return {item.item_id for item, out in zip(pool, verdict.excluded, strict=True) if out}


def test_a_rules_page_counts_just_the_items_that_a_request_applies_it_to(
    catalog: list[int],
) -> None:
    sizes = {}
    for name, fields in TARGETS.items():
        target = Target(**fields)
        reach = reach_of(target, timezone.now(), most=100)
        assert set(reach.best) == matched(target, catalog), name
        assert reach.items == len(reach.best), name
        sizes[name] = reach.items
    empty = {name for name, size in sizes.items() if size == 0}
    assert empty == {"half a name", "an attribute nobody has"}
    assert max(sizes.values()) < len(catalog), "every target leaves something out"


def test_boosts_add_up_and_an_exclusion_wins_over_a_pin(catalog: list[int]) -> None:
    first, second = catalog[:2]
    rules = [
        Rule(1, "a", RuleKind.BOOST, Target(item_id=first), amount=0.5),
        Rule(2, "b", RuleKind.PROMOTION, Target(item_id=first), amount=0.25),
        Rule(3, "c", RuleKind.BURY, Target(item_id=first), amount=0.125),
        Rule(4, "d", RuleKind.PIN, Target(item_id=second), position=3),
        Rule(5, "e", RuleKind.EXCLUDE, Target(item_id=second)),
    ]
    pool = gather([first, second])
    verdict = RuleBook(rules, ()).judge(pool, now=0.0)
    at = {item.item_id: index for index, item in enumerate(pool)}
    assert verdict.added[at[first]] == 0.625
    assert not verdict.excluded[at[first]]
    assert verdict.excluded[at[second]]
    assert verdict.pins == {at[second]: 3}
    assert [rule.name for rule in verdict.of(at[first])] == ["a", "b", "c"]
