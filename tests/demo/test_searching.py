"""How a condition of a search is worded on its chip."""

from decimal import Decimal

import pytest

from catalog.search.values import Filter
from demo.storefront.searching import label_of


@pytest.mark.parametrize(
    ("condition", "label"),
    [
        (Filter("price", at_most=Decimal(100)), "Up to €100.00"),
        (Filter("price", at_least=Decimal(20), at_most=Decimal(50)), "€20.00 to €50.00"),
        (Filter("attributes.color", ("black",), negated=True), "Not black"),
        (Filter("attributes.size", ("M",)), "Size: M"),
        (Filter("attributes.waterproof", ("true",)), "Waterproof"),
        (Filter("attributes.waterproof", ("true",), negated=True), "Not waterproof"),
        (Filter("attributes.machine_washable", ("false",)), "Not machine washable"),
    ],
)
def test_a_condition_is_worded_as_a_shopper_would(condition: Filter, label: str) -> None:
    assert label_of(condition) == label
