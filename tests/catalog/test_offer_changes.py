"""PATCH /api/v1/offers: prices, stock and availability, changed in part and in force at once."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Item, Offer
from catalog.offer_changes import change_offers
from tests.conftest import ApiClient, TenantPair
from tests.make import make_item
from tests.threads import at_once

OFFERS = "/api/v1/offers"


def change(api: ApiClient, *offers: Any) -> dict[str, Any]:
    answer = api.patch(OFFERS, {"offers": offers})
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    assert len(body["outcomes"]) == len(offers)
    return body


def status(api: ApiClient, **offer: Any) -> str:
    [outcome] = change(api, offer)["outcomes"]
    return str(outcome.get("code") or outcome["status"])


def offer_of(item: Item) -> Offer:
    return Offer.objects.get(item=item)


def test_what_a_change_leaves_out_stays_and_null_empties(api: ApiClient) -> None:
    item = make_item("A", price="10.00", sale_price="8.00", stock=5)
    assert status(api, item="A", price="12.00") == "updated"
    offer = offer_of(item)
    assert (offer.price, offer.sale_price, offer.stock) == (Decimal(12), Decimal(8), 5)
    assert status(api, item="A", cost=4.5, stock=7, sale_price=None) == "updated"
    offer = offer_of(item)
    assert (offer.price, offer.sale_price, offer.stock) == (Decimal(12), None, 7)
    assert offer.cost == Decimal("4.5")
    assert status(api, item="A", stock=None, cost=None, price=None) == "updated"
    offer = offer_of(item)
    assert (offer.price, offer.stock, offer.cost) == (Decimal(12), None, None)


def test_the_same_change_again_changes_nothing_but_confirms_the_offer(api: ApiClient) -> None:
    item = make_item("A")
    assert status(api, item="A", price="12.00", stock=3) == "updated"
    before = offer_of(item)
    Offer.objects.update(refreshed_at=before.refreshed_at - timedelta(days=1))
    assert status(api, item="A", price="12.00", stock=3) == "unchanged"
    after = offer_of(item)
    assert (after.price, after.stock) == (before.price, before.stock)
    assert after.refreshed_at > before.refreshed_at - timedelta(days=1)


def test_a_change_that_cannot_be_is_refused_and_the_others_are_made(api: ApiClient) -> None:
    for name in "ABCDEFGH":
        make_item(name, price="10.00", stock=5)
    free = Item.objects.create(external_id="free", title="Lesson", kind="lesson")
    body = change(
        api,
        {"item": "A", "price": 11},
        {"item": "A", "price": 12},
        {"item": "B", "sale_price": 10.5},
        {"item": "C", "stock": -1},
        {"item": "D", "price": -1},
        {"item": "E", "price": "5 USD", "cost": "4 EUR"},
        {"item": "F", "sale_price": "5 USD"},
        {"item": "G", "colour": "red"},
        {"item": "unknown", "price": 1},
        {"price": 1},
        {"item": "free", "stock": 4},
        {"item": "free2"},
        {"item": "H", "available": "perhaps"},
        7,
        {"item": "H", "stock": 6},
    )
    codes = [outcome.get("code", outcome["status"]) for outcome in body["outcomes"]]
    assert codes == [
        "updated", "duplicate_id", "sale_price_above_price", "negative_stock", "negative_price",
        "currency_conflict", "currency_conflict", "unknown_field", "unknown_item", "missing_id",
        "missing_price", "unknown_item", "invalid_availability", "invalid_type", "updated",
    ]  # fmt: skip
    assert (body["updated"], body["refused"]) == (2, 13)
    prices = dict(Offer.objects.values_list("item__external_id", "price"))
    assert prices == {"A": Decimal(11), **dict.fromkeys("BCDEFGH", Decimal(10))}
    assert not Offer.objects.filter(item=free).exists()


def test_a_first_price_makes_an_offer_in_the_shops_currency(api: ApiClient) -> None:
    item = Item.objects.create(external_id="free", title="Lesson", kind="lesson")
    assert status(api, item="free", available=True) == "unchanged"
    assert status(api, item="free", price=20, stock=None) == "updated"
    offer = offer_of(item)
    assert (offer.price, offer.currency, offer.stock) == (Decimal(20), "EUR", None)


def test_a_price_in_another_currency_takes_along_what_was_counted_in_the_old_one(
    api: ApiClient,
) -> None:
    item = make_item("A", price="10.00", sale_price="8.00", stock=5)
    assert status(api, item="A", cost=3) == "updated"
    assert status(api, item="A", price="11 USD") == "updated"
    offer = offer_of(item)
    assert (offer.currency, offer.sale_price, offer.cost, offer.stock) == ("USD", None, None, 5)


@pytest.mark.parametrize("sale_price", [0, "10.00"])
def test_a_sale_price_that_saves_nothing_is_no_sale(api: ApiClient, sale_price: Any) -> None:
    item = make_item("A", price="10.00", sale_price="8.00")
    assert status(api, item="A", sale_price=sale_price) == "updated"
    assert offer_of(item).sale_price is None


def test_a_change_is_in_the_next_slate(api: ApiClient) -> None:
    make_item("A", price="10.00", stock=5)
    make_item("B", price="20.00", stock=5)

    def slate() -> dict[str, str | None]:
        body = api.get("/api/v1/recommendations", placement="home").json()
        assert body["fallbacks"] == []
        return {
            item["item"]: item["offer"]["sale_price"] or item["offer"]["price"]
            for item in body["items"]
        }

    assert slate() == {"A": "10.00", "B": "20.00"}
    change(api, {"item": "A", "price": "12.50"}, {"item": "B", "sale_price": "15.00"})
    assert slate() == {"A": "12.50", "B": "15.00"}
    change(api, {"item": "A", "stock": 0})
    assert slate() == {"B": "15.00"}
    change(api, {"item": "B", "available": False})
    assert slate() == {}
    change(api, {"item": "A", "stock": 1}, {"item": "B", "available": True})
    assert slate() == {"A": "12.50", "B": "15.00"}


def test_the_number_of_statements_does_not_grow_with_the_offers(api: ApiClient) -> None:
    for number in range(100):
        make_item(f"I-{number}")
    counts = []
    for size, price in ((2, 3), (100, 4)):
        rows = [{"item": f"I-{number}", "price": price} for number in range(size)]
        change(api, *rows)
        with CaptureQueriesContext(connection) as queries:
            assert change(api, *rows)["unchanged"] == size
        counts.append(len(queries))
    # The transaction's begin and end, what the key needs, two locks and one write.
    assert counts[0] == counts[1] <= 9, counts
    too_many = [{"item": "I-1", "price": 1}] * 1_001
    assert api.patch(OFFERS, {"offers": too_many}).status_code == 400


def test_changes_of_price_and_sale_at_once_never_leave_a_sale_above_the_price(
    committed: TenantPair,
) -> None:
    names = [f"I-{number}" for number in range(20)]
    for name in names:
        make_item(name, price="10.00")
    lower = [{"item": name, "price": 5} for name in names]
    sale = [{"item": name, "sale_price": 8} for name in reversed(names)]
    at_once(
        *(lambda rows=rows: change_offers(rows, currency="EUR") for rows in (lower, sale) * 3)
    )  # fmt: skip
    left = set(Offer.objects.values_list("price", "sale_price"))
    assert left <= {(Decimal(5), None), (Decimal(10), Decimal(8))}, "whichever came first holds"
