"""POST /api/v1/items: each item created, updated or refused for itself, by the rules of feeds."""

from decimal import Decimal
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.feeds.options import FeedDefaults
from catalog.item_batches import write_items
from catalog.models import Item, Offer
from catalog.tasks import embed_changed_items
from catalog.written_rows import CREATED
from tests.conftest import ApiClient, TenantPair
from tests.threads import at_once

ITEMS = "/api/v1/items"
TENT = {
    "item": "A", "title": "Tent", "brand": "Northwind", "category_path": ["Camping", "Tents"],
    "description": "<p>Two persons</p>", "attributes": {"weight_kg": 1.9, "seasons": ["3", "4"]},
    "images": ["https://shop.example/a.jpg"], "price": 199.99, "sale_price": "149.00", "stock": 3,
}  # fmt: skip


def write(api: ApiClient, *items: Any) -> dict[str, Any]:
    answer = api.post(ITEMS, {"items": items})
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    assert len(body["outcomes"]) == len(items)
    return body


def statuses(api: ApiClient, *items: Any) -> list[str]:
    return [outcome["status"] for outcome in write(api, *items)["outcomes"]]


def test_an_item_is_created_and_sending_it_again_changes_nothing(api: ApiClient) -> None:
    assert statuses(api, TENT) == ["created"]
    item = Item.objects.get(external_id="A")
    assert (item.title, item.brand, item.category_path) == (
        "Tent", "Northwind", ["Camping", "Tents"],
    )  # fmt: skip
    assert item.description == "Two persons"
    assert item.attributes == {"weight_kg": 1.9, "seasons": ["3", "4"]}
    assert item.language == "en", "the shop's own"
    offer = Offer.objects.get(item=item)
    assert (offer.price, offer.sale_price, offer.stock) == (Decimal("199.99"), Decimal(149), 3)
    assert offer.currency == "EUR", "the shop's own"

    assert statuses(api, TENT) == ["unchanged"]
    again = Item.objects.get(external_id="A")
    assert (again.pk, again.updated_at) == (item.pk, item.updated_at)


def test_an_item_is_replaced_whole_but_for_an_offer_that_is_not_named(api: ApiClient) -> None:
    write(api, TENT)
    assert statuses(api, {**TENT, "price": 189}) == ["updated"]
    lesson = {"item": "A", "title": "Tent", "kind": "lesson"}
    assert statuses(api, lesson) == ["updated"]
    item = Item.objects.get(external_id="A")
    assert (item.brand, item.category_path, item.attributes, item.images) == ("", [], {}, [])
    assert Offer.objects.get(item=item).price == Decimal(189)


def test_a_bad_item_is_refused_with_its_fields_and_the_others_are_kept(api: ApiClient) -> None:
    body = write(
        api,
        {"item": "A", "title": "Tent", "price": 1},
        {"item": "B", "title": "", "price": "-1", "stock": 1.5},
        {"item": "C", "title": "Stove", "price": 5, "colour": "red"},
        {"title": "Lamp", "price": 5},
        "an item",
        None,
        {"item": "D", "title": "Rope"},
        {"item": "A", "title": "Another tent", "price": 2},
        {"item": "E", "title": "Map", "price": "12,99"},
        {"item": "F", "title": "Mug", "price": "5 USD", "sale_price": "4 EUR"},
        {"item": "G", "title": "Cup", "price": 1e300},
        {"item": "H", "title": ["a", "b"], "price": 1},
        {"item": "I", "title": "Axe", "price": 7},
    )
    assert (body["created"], body["refused"]) == (2, 11)
    outcomes = body["outcomes"]
    assert [outcome.get("code") for outcome in outcomes] == [
        None, "missing_title", "unknown_field", "missing_id", "invalid_type", "invalid_type",
        "missing_price", "duplicate_id", "invalid_number", "currency_conflict", "absurd_price",
        "invalid_type", None,
    ]  # fmt: skip
    assert set(outcomes[1]["fields"]) == {"title", "price", "stock"}
    assert outcomes[2]["fields"] == {"colour": "There is no such field."}
    assert list(outcomes[3]["fields"]) == ["item"]
    assert set(Item.objects.values_list("external_id", flat=True)) == {"A", "I"}
    assert Item.objects.get(external_id="A").title == "Tent"


def test_an_archived_item_that_is_sent_again_is_back(api: ApiClient) -> None:
    write(api, TENT)
    Item.objects.update(archived_at=timezone.now())
    assert statuses(api, TENT) == ["updated"]
    assert Item.objects.recommendable().exists()


def test_a_batch_holds_a_thousand_items_in_few_statements(api: ApiClient) -> None:
    many = [{"item": f"I-{number}", "title": "Peg", "price": 1} for number in range(1_001)]
    assert api.post(ITEMS, {"items": many}).status_code == 400
    assert not Item.objects.exists()
    counts = []
    for size in (2, 1_000):
        write(api, *many[:size])
        with CaptureQueriesContext(connection) as queries:
            assert statuses(api, *many[:size]) == ["unchanged"] * size
        counts.append(len(queries))
    # The transaction's begin and end, what the key needs, and three merging statements.
    assert counts[0] == counts[1] <= 9, counts


def test_a_new_item_is_recommended_at_once_and_embedded_by_the_task(api: ApiClient) -> None:
    def slate() -> list[str]:
        body = api.get("/api/v1/recommendations", placement="home").json()
        return [item["item"] for item in body["items"]]

    assert slate() == []
    write(api, TENT)
    assert slate() == ["A"]
    assert not Item.objects.filter(embedding__isnull=False).exists()
    embed_changed_items(api.tenant.schema_name)
    assert Item.objects.filter(embedding__isnull=False).count() == 1


def test_the_same_items_written_at_once_are_there_once(committed: TenantPair) -> None:
    rows = [{"item": f"I-{number}", "title": "Peg", "price": 1} for number in range(50)]
    orders = [rows, rows[::-1], rows[25:] + rows[:25]]
    told = at_once(
        *(lambda order=order: write_items(order, defaults=FeedDefaults(currency="EUR"))
          for order in orders)
    )  # fmt: skip
    created = sum(outcome == CREATED for outcomes in told for outcome in outcomes)
    assert created == Item.objects.count() == Offer.objects.count() == 50
