"""The admin of rules: drafts, publishing, refusals in words, segments, two slates side by side."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from recommendations.models import Decision, MerchandisingRule, Placement, Segment
from recommendations.placements import ensure_default_placements, placement_settings
from recommendations.rule_checks import check_rule
from tenants.models import Tenant
from tests.make import make_event, make_item, make_shopper
from tests.shop import planted_shop
from tests.staff import page_of, sign_in, text_of

ADD = page_of(MerchandisingRule, "add")
LIST = page_of(MerchandisingRule, "changelist")
TRY = page_of(MerchandisingRule, "try")
SUBMITTED = {"_form_submitted": "on"}


def make_rule(kind: str = "boost", **fields: Any) -> MerchandisingRule:
    return MerchandisingRule.objects.create(kind=kind, **{"name": f"{kind} rule", **fields})


def test_a_rule_is_a_draft_until_it_is_published_and_does_nothing_after_it_is_retired(
    tenant: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    ensure_default_placements()
    make_item(brand="Acme")
    assert placement_settings("home").rules == (), "now they are settled"
    staff = sign_in(tenant)
    form = {"name": "Acme up", "kind": "boost", "brand": "Acme", "amount": "0.5"}
    with django_capture_on_commit_callbacks(execute=True):
        saved = staff.post(ADD, form)
    rule = MerchandisingRule.objects.get()
    assert saved.headers["Location"] == page_of(rule)
    assert (rule.status, rule.matching_items) == ("draft", 1)
    assert placement_settings("home").rules == ()

    with django_capture_on_commit_callbacks(execute=True):
        answer = staff.post(page_of(rule, "publish"), SUBMITTED)
    assert answer.headers["HX-Redirect"] == page_of(rule)
    assert [found.name for found in placement_settings("home").rules] == ["Acme up"]
    page = text_of(staff.get(page_of(rule)))
    assert "is live, for 1 item." in page
    assert "in force" in page
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(page_of(rule, "retire"), SUBMITTED)
    assert placement_settings("home").rules == ()

    chosen = {"_selected_action": [rule.pk]}
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(LIST, {"action": "publish_selected", **chosen})
    assert [found.name for found in placement_settings("home").rules] == ["Acme up"]
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(LIST, {"action": "retire_selected", **chosen})
    assert placement_settings("home").rules == ()


def test_placements_hold_from_the_next_request_on(
    tenant: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    ensure_default_placements()
    rule = make_rule(brand="Acme", status="live")
    assert placement_settings("home").rules
    cart = Placement.objects.get(code="cart")
    form = {"name": "r", "kind": "boost", "brand": "Acme", "amount": "1"}
    with django_capture_on_commit_callbacks(execute=True):
        answer = sign_in(tenant).post(page_of(rule), {**form, "placements": [str(cart.pk)]})
    assert answer.status_code == 302
    assert placement_settings("home").rules == ()
    assert placement_settings("cart").rules


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"category": ""}, ""),
        ({"kind": "pin"}, "item"),
        ({"kind": "promotion"}, "label"),
        ({"position": 3}, "position"),
        ({"label": "Weeks"}, "label"),
        ({"amount": 10.5}, "amount"),
        ({"amount": 0}, "amount"),
        ({"attribute_values": ["red"]}, "attribute"),
        ({"attribute": "size", "attribute_from": 40, "attribute_to": 38}, "attribute_to"),
        ({"price_from": 2, "price_to": 1}, "price_to"),
        ({"starts_at": "end"}, "ends_at"),
        ({"starts_at": "day before", "weekdays": [3]}, "weekdays"),
        ({"from_hour": "9", "to_hour": "9"}, "to_hour"),
    ],
)
def test_what_cannot_be_followed_is_refused_where_it_is_wrong(
    tenant: Tenant, changes: dict[str, Any], field: str
) -> None:
    end = timezone.now().replace(year=2026, month=5, day=2, hour=12)  # a Saturday
    times = {"end": end, "day before": end - timedelta(days=1)}
    if "starts_at" in changes:
        changes = {**changes, "starts_at": times[changes["starts_at"]], "ends_at": end}
    sound = {"name": "R", "kind": "boost", "category": "Shoes", "amount": 0.5}
    assert not check_rule(MerchandisingRule(**sound), [], publishing=True).errors
    rule = MerchandisingRule(**{**sound, **changes})
    assert list(check_rule(rule, [], publishing=True).errors) == [field]


@pytest.mark.parametrize(
    ("other", "meets"),
    [
        ({}, True),
        ({"position": 2}, False),
        ({"device": "mobile"}, True),
        ({"weekdays": [5, 6]}, False),
        ({"query": "boots"}, False),
        ({"countries": ["de", "fr"]}, True),
        ({"status": "draft"}, False),
        ({"ends_at": timezone.now() - timedelta(days=1)}, False),
    ],
)
def test_two_pins_to_one_position_at_the_same_time_are_not_published(
    tenant: Tenant, other: dict[str, Any], *, meets: bool
) -> None:
    ensure_default_placements()
    where = {"query": "tents", "weekdays": [0], "countries": ["DE"]}
    mine = make_rule("pin", item=make_item(), position=1, **where)
    make_rule("pin", item=make_item(), **{"name": "Hero", "position": 1, "status": "live", **other})
    staff = sign_in(tenant)
    staff.post(page_of(mine, "publish"), SUBMITTED)
    mine.refresh_from_db()
    assert mine.status == ("draft" if meets else "live")
    assert ("“Hero” is pinned to position 1" in text_of(staff.get(page_of(mine)))) == meets

    theirs = MerchandisingRule.objects.get(name="Hero")
    theirs.placements.add(Placement.objects.get(code="cart"))
    home = [Placement.objects.get(code="home")]
    assert not check_rule(mine, home, publishing=True).errors, "in another placement"


def test_names_that_the_catalog_does_not_have_are_warned_of(tenant: Tenant) -> None:
    make_item(category_path=("Shoes",), attributes={"color": "red"}, brand="Acme")
    rule = make_rule(category="Shoos", attribute="colour", brand="Akme")
    page = text_of(sign_in(tenant).get(page_of(rule)))
    for says in ("category “Shoos”", "attribute “colour”", "brand “Akme”", "0 items now"):
        assert says in page


def test_a_refused_form_says_what_is_wrong_and_keeps_what_was_typed(tenant: Tenant) -> None:
    form = {"name": "Half a rule", "kind": "promotion", "category": "Shoes", "amount": "0.5"}
    staff = sign_in(tenant)
    page = text_of(staff.post(ADD, form))
    assert "Say what shoppers read of the promotion." in page
    assert "Half a rule" in page
    assert not MerchandisingRule.objects.exists()
    filled = {
        **form,
        "label": "Shoe weeks",
        "weekdays": ["5", "6"],
        "countries": "de,AT",
        "attribute": "color",
        "attribute_values": "red, Blue",
    }
    assert staff.post(ADD, filled).status_code == 302
    rule = MerchandisingRule.objects.get()
    assert (rule.weekdays, rule.countries) == ([5, 6], ["de", "AT"])
    assert rule.attribute_values == ["red", "Blue"]
    listed = text_of(staff.get(LIST))
    for says in ("Shoes, color red or Blue", "de AT, Sat Sun", "draft", "+0.5"):
        assert says in listed


def test_a_segment_says_who_is_in_it_and_is_kept_while_a_rule_needs_it(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    add = page_of(Segment, "add")
    assert "Say at least one thing" in text_of(
        staff.post(add, {"name": "Nobody", "affinity_share": "0.3"})
    )
    form = {"name": "Back again", "visits": "returning", "affinity_share": "0.3"}
    assert staff.post(add, form).status_code == 302
    segment = Segment.objects.get()
    make_rule(brand="Acme", segment=segment)
    listed = text_of(staff.get(page_of(Segment, "changelist")))
    assert "returning" in listed
    staff.post(page_of(segment, "delete"), {"post": "yes"})
    assert Segment.objects.exists()


def test_rules_are_tried_out_beside_the_live_slate_without_a_trace(tenant: Tenant) -> None:
    shop = planted_shop()
    ensure_default_placements()
    shopper = make_shopper("ann")
    make_event(shopper, shop.camping[0])
    live = make_rule("pin", name="Whisk up", status="live", item=shop.kitchen[4], position=1)
    draft = make_rule("exclude", name="No bags", item=shop.camping[1])
    staff = sign_in(tenant)
    page = text_of(staff.get(TRY))
    assert "Whisk up" in page
    assert "No bags" in page
    asked: dict[str, Any] = {"run": "1", "placement": "home", "shopper": "ann", "limit": "5"}
    same = text_of(staff.get(TRY, {**asked, "use": [live.pk]}))
    assert "both slates are the same" in same
    page = text_of(staff.get(TRY, {**asked, "use": [live.pk, draft.pk], f"position-{live.pk}": 3}))
    assert "excluded by “No bags”" in page
    assert "pinned to position 3 by “Whisk up”" in page
    assert not Decision.objects.exists()
    refused = text_of(staff.get(TRY, {**asked, "placement": "item"}))
    assert "This placement is about an item." in refused
    assert staff.get(TRY, {**asked, "limit": "many"}).status_code == 200
    started = staff.get(page_of(draft, "try-this"))
    assert started.headers["Location"] == f"{TRY}?use={draft.pk}"


def test_who_may_only_look_can_try_rules_and_publish_none(tenant: Tenant) -> None:
    ensure_default_placements()
    rule = make_rule(brand="Acme")
    viewer = sign_in(tenant, "viewer", permissions=("recommendations.view_merchandisingrule",))
    assert viewer.get(TRY).status_code == 200
    assert viewer.post(page_of(rule, "publish"), SUBMITTED).status_code == 403
    rule.refresh_from_db()
    assert rule.status == "draft"
    nobody = sign_in(tenant, "nobody", permissions=("catalog.view_item",))
    assert nobody.get(TRY).status_code == 403
