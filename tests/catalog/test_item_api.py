"""GET items, POST reviews and GET catalog/quality: what a storefront's server asks and tells."""

import csv
import io
from typing import Any

from catalog.models import Item, ItemLink, ItemRating, Review
from catalog.quality.checks import CHECKS
from catalog.quality.models import QualityIssue
from catalog.quality.refresh import check_catalog
from tests.conftest import ApiClient
from tests.make import make_item


def shoe(size: str, *, stock: int = 3, **fields: Any) -> Item:
    return make_item(
        f"SHOE-{size}",
        title="Trail shoe",
        group_id="SHOE",
        attributes={"size": size, "material": "mesh"},
        stock=stock,
        **fields,
    )


def test_an_item_comes_with_its_variants_those_in_stock_first(api: ApiClient) -> None:
    small, sold_out, large = shoe("38"), shoe("39", stock=0), shoe("40", category_path=("Shoes",))
    shoe("41", available=False)
    make_item("SOCK")
    ItemLink.objects.create(item=large, linked=Item.objects.get(external_id="SOCK"), kind="related")
    answer = api.request("GET", "/api/v1/items/SHOE-40").json()
    assert answer["variant_attributes"] == ["size"], "the material is the same of all"
    assert [(v["item"], v["attributes"], v["available"]) for v in answer["variants"]] == [
        (large.external_id, {"size": "40"}, True),
        (small.external_id, {"size": "38"}, True),
        (sold_out.external_id, {"size": "39"}, False),
    ]
    assert (answer["category_path"], answer["offer"]["in_stock"]) == (["Shoes"], True)
    assert answer["links"] == [{"item": "SOCK", "kind": "related"}]
    assert answer["rating"] is None
    alone = api.request("GET", "/api/v1/items/SOCK").json()
    assert (alone["variants"], alone["variant_attributes"], alone["group_id"]) == ([], [], None)


def test_an_id_with_slashes_is_an_id_and_an_unknown_one_is_not_found(api: ApiClient) -> None:
    make_item("shirt/38/red")
    assert api.request("GET", "/api/v1/items/shirt/38/red").json()["item"] == "shirt/38/red"
    quality = api.request("GET", "/api/v1/items/shirt/38/red/quality").json()
    assert quality == {
        "item": "shirt/38/red", "score": None, "checked_at": None, "flaws": [],
    }  # fmt: skip
    for path in ("nothing", "nothing/quality", "a%00b"):
        response = api.request("GET", f"/api/v1/items/{path}")
        assert response.status_code in {400, 404}
        assert response.json()["code"] in {"item_not_found", "invalid_input"}


def test_reviews_are_taken_row_by_row_and_rate_all_variants_at_once(api: ApiClient) -> None:
    shoe("38")
    shoe("39")
    rows: list[Any] = [
        {"item": "SHOE-38", "rating": 5, "text": "Dry all day.", "author": "Ann", "verified": True},
        {"item": "SHOE-39", "rating": 2.4, "external_id": "r-1", "written_at": "2026-01-02"},
        {"item": "GONE", "rating": 3},
        {"item": "SHOE-38", "rating": 7},
        {"item": "SHOE-38", "rating": 4, "stars": 4},
        "five stars",
        {"item": "SHOE-39", "rating": 1, "external_id": "r-1"},
    ]
    answer = api.request("POST", "/api/v1/reviews", {"reviews": rows}).json()
    assert [outcome.get("code", outcome["status"]) for outcome in answer["outcomes"]] == [
        "created", "created", "unknown_item", "invalid_rating", "unknown_field", "invalid_type",
        "duplicate_id",
    ]  # fmt: skip
    again = api.request("POST", "/api/v1/reviews", {"reviews": rows[:2]}).json()
    assert (again["unchanged"], Review.objects.count()) == (2, 2)
    page = api.request("GET", "/api/v1/items/SHOE-39").json()
    assert page["rating"] == {"average": 3.5, "count": 2}
    assert [review["rating"] for review in page["reviews"]] == [2, 5]
    moved = {"item": "SHOE-39", "rating": 5, "external_id": "r-1"}
    assert api.request("POST", "/api/v1/reviews", {"reviews": [moved]}).json()["updated"] == 1
    assert {float(r.average) for r in ItemRating.objects.all()} == {5.0}


def test_the_catalogs_quality_is_told_by_check_by_item_and_as_csv(api: ApiClient) -> None:
    make_item("A", title="Oak table", category_path=("Tables",))
    make_item("B", title="A fine tent of two", category_path=("Tents",), brand="Harrow")
    check_catalog()
    QualityIssue.objects.create(
        kind="brand", suggestion="Harrow", spellings={"Harrow": 1, "HARROW": 1}, items=1
    )
    everything = api.request("GET", "/api/v1/catalog/quality").json()
    assert (everything["items"], everything["waiting"]) == (2, 0)
    assert everything["spellings"][0]["suggestion"] == "Harrow"
    by_code = {row["code"]: row for row in everything["checks"]}
    assert (by_code["missing_brand"]["items"], by_code["missing_brand"]["share"]) == (1, 0.5)
    tents = api.request("GET", "/api/v1/catalog/quality?category=Tents").json()
    assert tents["items"] == 1
    assert "missing_brand" not in {row["code"] for row in tents["checks"]}

    one = api.request("GET", "/api/v1/items/A/quality").json()
    told = {flaw["code"]: flaw for flaw in one["flaws"]}
    assert one["score"] == max(0, 100 - sum(CHECKS[code].points for code in told))
    assert told["short_description"]["found"] == "0 words"

    response: Any = api.request("GET", "/api/v1/catalog/quality/items?check=missing_brand")
    lines = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert [(line["item"], line["check"]) for line in lines] == [("A", "missing_brand")]
    refused = api.request("GET", "/api/v1/catalog/quality/items?check=nonsense")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")


def test_an_empty_catalog_has_no_score(api: ApiClient) -> None:
    answer = api.request("GET", "/api/v1/catalog/quality").json()
    assert (answer["items"], answer["score"], answer["checks"]) == (0, None, [])
