"""The quality report in the admin: counts that lead to items, CSV, the policy, and reviews."""

import csv
import io
from datetime import timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Item, ItemRating, Offer, Review
from catalog.quality.checks import CHECKS
from catalog.quality.models import ItemQuality, QualityIssue, QualityPolicy
from catalog.quality.refresh import check_catalog
from catalog.reviews import refresh_ratings
from tenants.models import Tenant
from tests.make import make_item
from tests.staff import page_of, sign_in, text_of

REPORT = "/admin/catalog/itemquality/"


def lines(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_the_report_counts_flaws_and_leads_to_the_items_that_have_them(tenant: Tenant) -> None:
    make_item("A", title="Oak table", category_path=("Living", "Tables"), brand="Oakly")
    make_item("B", title="Ash table", category_path=("Living", "Tables"))
    make_item("C", title="Tent", category_path=("Outdoor",))
    check_catalog()
    staff = sign_in(tenant)
    text = text_of(staff.get(REPORT))
    assert "?check=missing_brand" in text
    assert CHECKS["missing_brand"].advice in text
    brandless = text_of(staff.get(f"{REPORT}?check=missing_brand"))
    assert ("Ash table" in brandless, "Oak table" in brandless) == (True, False)
    assert page_of(Item.objects.get(external_id="B")) in brandless
    living = text_of(staff.get(f"{REPORT}?check=missing_brand&department=Living"))
    assert ("Ash table" in living, "Tent<" in living) == (True, False)
    assert "0 words" in living
    assert text_of(staff.get(f"{REPORT}?q=Tent")).count("Ash table") == 0


def test_what_the_report_costs_does_not_grow_with_the_catalog(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    costs = []
    for _ in range(2):
        for _ in range(15):
            make_item()
        check_catalog()
        staff.get(REPORT)
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(REPORT).status_code == 200
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_the_export_streams_a_line_for_each_flaw_and_defuses_formulas(tenant: Tenant) -> None:
    item = make_item("A", title="=2+5", category_path=("Living",))
    make_item("B", category_path=("Outdoor",))
    check_catalog()
    Offer.objects.filter(item=item).update(refreshed_at=timezone.now() - timedelta(hours=1))
    staff = sign_in(tenant)
    every = lines(staff.get(f"{REPORT}export/?department=Living"))
    assert {line["item"] for line in every} == {"A"}
    assert {"stale_stock", "missing_image", "missing_brand"} <= {line["check"] for line in every}
    assert every[0]["title"] == "'=2+5"
    score = ItemQuality.objects.get(item=item).score
    assert int(every[0]["score"]) == max(0, score - CHECKS["stale_stock"].points)
    stale = lines(staff.get(f"{REPORT}export/?check=stale_stock"))
    assert [(line["item"], line["advice"]) for line in stale] == [
        ("A", CHECKS["stale_stock"].advice)
    ]


def test_the_report_is_for_those_who_may_see_it(tenant: Tenant) -> None:
    staff = sign_in(tenant, "helper", permissions=("catalog.view_item",))
    assert staff.get(REPORT).status_code == 403
    assert "check,severity" not in text_of(staff.get(f"{REPORT}export/"))


def test_a_policy_is_made_once_and_its_points_count_from_the_next_check_on(tenant: Tenant) -> None:
    item = make_item()
    check_catalog()
    before = ItemQuality.objects.get(item=item).score
    staff = sign_in(tenant)
    page = text_of(staff.get("/admin/catalog/qualitypolicy/add/"))
    assert CHECKS["missing_brand"].title in page
    fields = {
        "minimum_description_words": 50, "minimum_images": 3, "minimum_title_characters": 1,
        "minimum_reviews": 1, "stock_minutes": 15, "sold_out_days": 30, "price_deviations": 5,
        "language_model_score": 70, "note": "ours", "points_missing_brand": 0,
        "points_missing_image": 5, "points_no_reviews": 5,
    }  # fmt: skip
    response = staff.post("/admin/catalog/qualitypolicy/add/", fields)
    assert response.status_code == 302, text_of(response)
    policy = QualityPolicy.objects.get()
    assert policy.points == {"missing_brand": 0, "missing_image": 5}
    check_catalog()
    quality = ItemQuality.objects.get(item=item)
    assert quality.score > before
    assert "missing_brand" not in quality.flaws
    assert 'value="70"' in text_of(staff.get("/admin/catalog/qualitypolicy/add/")), (
        "the one there is"
    )
    refused = staff.post(page_of(policy), {**fields, "points_no_reviews": 101})
    assert "less than or equal to 100" in text_of(refused)
    again = staff.post(page_of(policy), {**fields, "points_missing_brand": ""})
    assert again.status_code == 302
    assert QualityPolicy.objects.get().points == {"missing_image": 5}


def test_a_spelling_is_accepted_and_opened_again(tenant: Tenant) -> None:
    issue = QualityIssue.objects.create(
        kind="attribute_name", suggestion="color", spellings={"color": 9, "Colour": 2}, items=2
    )
    staff = sign_in(tenant)
    assert "“Colour”: “attribute:color”" in text_of(staff.get(page_of(issue)))
    chosen = {"_selected_action": [issue.pk]}
    for action, accepted in (("accept", True), ("reopen", False)):
        staff.post("/admin/catalog/qualityissue/", {"action": action, **chosen})
        assert (QualityIssue.objects.get().accepted_at is not None) == accepted


def test_a_review_written_or_moved_by_hand_mends_both_ratings(tenant: Tenant) -> None:
    one, two = make_item(), make_item()
    staff = sign_in(tenant)
    fields = {"external_id": "mail-7", "item": one.pk, "rating": 4, "title": "Fine"}
    assert staff.post("/admin/catalog/review/add/", fields).status_code == 302
    assert ItemRating.objects.get(item=one).average == 4
    review = Review.objects.get()
    staff.post(page_of(review), {**fields, "item": two.pk, "rating": 2})
    assert ItemRating.objects.get(item=two).average == 2
    assert not ItemRating.objects.filter(item=one).exists()
    assert "valid choice" in text_of(staff.post(page_of(review), {**fields, "rating": 6}))


def test_deleting_a_review_mends_the_rating(tenant: Tenant) -> None:
    item = make_item()
    one, two = (
        Review.objects.create(item=item, external_id=str(stars), rating=stars) for stars in (1, 5)
    )
    refresh_ratings([item.pk])
    staff = sign_in(tenant)
    assert "★★★★★" in text_of(staff.get("/admin/catalog/review/"))
    staff.post(page_of(one, "delete"), {"post": "yes"})
    assert ItemRating.objects.get(item=item).average == 5
    staff.post(
        "/admin/catalog/review/",
        {"action": "delete_selected", "_selected_action": [two.pk], "post": "yes"},
    )
    assert not ItemRating.objects.filter(item=item).exists()
