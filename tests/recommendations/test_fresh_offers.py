"""Price and stock are those of now in the next slate, whichever way they were changed."""

import io
from collections.abc import Callable

import pytest

from catalog.importing import run_import
from catalog.models import FeedImport, Item
from recommendations.feedback import write_decisions
from tests.catalog.test_admin import item_form
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.staff import sign_in

Change = Callable[[ApiClient, str, str], None]


def by_api(api: ApiClient, price: str, stock: str) -> None:
    answer = api.patch(
        "/api/v1/offers", {"offers": [{"item": "A", "price": price, "stock": stock}]}
    )
    assert answer.json()["updated"] == 1, answer.content


def by_item(api: ApiClient, price: str, stock: str) -> None:
    row = {"item": "A", "title": "Tent", "price": price, "stock": stock}
    assert api.post("/api/v1/items", {"items": [row]}).json()["updated"] == 1


def by_feed(api: ApiClient, price: str, stock: str) -> None:
    feed = FeedImport.objects.create(format="csv", file_name="f", options={"currency": "EUR"})
    run_import(feed, io.BytesIO(f"id,title,price,stock\nA,Tent,{price},{stock}\n".encode()))
    assert feed.updated == 1, feed.failure


def by_staff(api: ApiClient, price: str, stock: str) -> None:
    item = Item.objects.get(external_id="A")
    form = item_form(item, **{"offer-0-price": price, "offer-0-stock": stock})
    answer = sign_in(api.tenant, f"boss-{price}-{stock}").post(
        f"/admin/catalog/item/{item.pk}/change/", form
    )
    assert answer.status_code == 302, answer.content


@pytest.mark.parametrize("change", [by_api, by_item, by_feed, by_staff])
def test_a_changed_offer_is_in_the_next_slate(api: ApiClient, change: Change) -> None:
    make_item("A", title="Tent", price="10.00", stock=10)
    make_item("B", title="Stove", price="20.00", stock=10)
    make_event(make_shopper("s-1"), Item.objects.get(external_id="B"))

    def slates() -> list[dict[str, str]]:
        """Prices by item: of a shopper with a history and of one without, each asked twice, for
        what was served before may be served again."""
        found = []
        for query in ({"shopper": "s-1"}, {}, {"shopper": "s-1"}, {}):
            body = api.get("/api/v1/recommendations", placement="home", **query).json()
            found.append({item["item"]: item["offer"]["price"] for item in body["items"]})
            write_decisions()
        assert found[0] == found[2]
        assert found[1] == found[3]
        return found[:2]

    assert slates() == [{"A": "10.00", "B": "20.00"}] * 2
    change(api, "12.50", "3")
    assert slates() == [{"A": "12.50", "B": "20.00"}] * 2
    change(api, "12.50", "0")
    assert slates() == [{"B": "20.00"}] * 2, "sold out"
    change(api, "11.00", "1")
    assert slates() == [{"A": "11.00", "B": "20.00"}] * 2, "back again"
