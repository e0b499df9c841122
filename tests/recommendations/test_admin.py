"""The admin of recommendations: what was served and why, by which version, under which rules."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles.identity import ShopperRef
from profiles.policy import propose, set_signal_policy
from recommendations.context import build_request
from recommendations.feedback import record_served, write_decisions
from recommendations.models import (
    Decision,
    Impression,
    ItemFacts,
    ItemNeighbors,
    MerchandisingRule,
    Placement,
    RankerVersion,
)
from recommendations.placements import placement_settings
from recommendations.recommend import recommend
from recommendations.training.recipe import Recipe
from tenants.models import Tenant
from tests.make import make_item, make_shopper
from tests.shop import planted_shop
from tests.staff import Browser, contribution, page_of, served, sign_in, text_of

DECISIONS = page_of(Decision, "changelist")
RULES = page_of(MerchandisingRule, "add")
VERSIONS = page_of(RankerVersion, "changelist")
Status = RankerVersion.Status


def statements(staff: Browser, page: str) -> int:
    """How many SQL statements a page takes, search paths aside."""
    staff.get(page)  # fills the caches of the tenant and the session
    with CaptureQueriesContext(connection) as queries:
        assert staff.get(page).status_code == 200
    return sum(not query["sql"].startswith("SET search_path") for query in queries)


def make_decision(**fields: Any) -> Decision:
    item = served("Oak table", contribution(0.3, title="Beech bench"))
    given = {"placement": "home", "served_at": timezone.now(), "latency_ms": 3, "slate": [item]}
    return Decision.objects.create(**{**given, **fields})


def make_version(status: str) -> RankerVersion:
    return RankerVersion.objects.create(status=status, params=Recipe().as_json())


def shown(staff: Browser, page: str, *decisions: Decision, **query: str) -> list[bool]:
    text = text_of(staff.get(page, query))
    return [page_of(decision) in text for decision in decisions]


def test_a_served_slate_is_drawn_with_the_ledger_it_was_made_from(tenant: Tenant) -> None:
    shop = planted_shop()
    request = build_request("buy-again", shopper=ShopperRef(known="planted-1"), limit=3)
    slate = recommend(request)
    record_served(slate)
    write_decisions()
    page = text_of(sign_in(tenant).get(page_of(Decision.objects.get())))
    assert len(slate.items) == 3
    for item in slate.items:
        assert item.title in page
        assert f"{item.score:.4f}" in page
        assert item.reason is not None
        assert item.reason.text in page
        for line in (line for line in item.ledger[:6] if abs(line.amount) >= 0.0001):
            assert f"{line.amount:+.4f}" in page
    assert page.count("cited in the reason") == 3
    assert f"version {shop.ranker.pk}" in page
    assert "planted-1" in page
    assert "Bought “" in page, "signals are told in words"


def test_a_decision_says_what_else_was_considered_and_what_was_out(tenant: Tenant) -> None:
    make_item()  # in a new database the one that was served, for its id is 1
    left_out = make_item(title="Almost chosen")
    carted = make_item(title="Already in the cart")
    decision = make_decision(
        candidates=[[1, 0.3], [left_out.pk, 0.2]],
        fallbacks=["content"],
        context={"items": [], "cart": [carted.pk], "limit": 7},
    )
    staff = sign_in(tenant)
    page = text_of(staff.get(page_of(decision)))
    assert "Almost chosen" in page
    assert "The 1 best candidate not shown" in page
    assert "content" in page
    assert "Already in the cart" in page

    empty = make_decision(slate=[], candidates=[[999_999, 0.1]])
    page = text_of(staff.get(page_of(empty)))
    assert "Nothing was eligible" in page
    assert "an item that is gone" in page


def test_a_decision_says_under_which_policy_it_was_made(tenant: Tenant) -> None:
    set_signal_policy("purchase", may_cite=False)
    ledger = [contribution(0.1, kind) for kind in ("purchase", "view", "circumstance")]
    decision = make_decision(slate=[served("A", *ledger)], candidates=[])
    set_signal_policy("purchase", may_rank=False)
    propose("view", {"may_rank": False}, why="Not approved", by="merchandiser")
    page = sign_in(tenant).get(page_of(decision))
    told = [
        (each.words, each.may_rank, each.may_cite, each.proposal and each.proposal.version)
        for each in page.context["policy_then"]
    ]
    assert told == [
        ("Circumstance", True, False, None),
        ("Purchase", True, False, 1),
        ("View", True, True, None),
    ]
    assert "Under which signal policy" in text_of(page)


def test_a_page_of_a_decision_takes_as_many_statements_for_a_long_slate_as_for_a_short_one(
    tenant: Tenant,
) -> None:
    staff = sign_in(tenant)
    line = contribution(0.1, title="X")
    short = make_decision(slate=[served("A", line)], candidates=[[1, 0.1]])
    long = make_decision(
        slate=[served(f"Item {n}", *[line] * 20) for n in range(30)],
        candidates=[[n, 0.1] for n in range(100)],
    )
    few = statements(staff, page_of(short))
    # The staff user; the decision with its shopper; the slate, which lists leave out, and the
    # candidates; the titles of what was not shown; the content type for the history's address.
    assert statements(staff, page_of(long)) == few + 1, "`short` has no candidate to look up"
    assert few <= 8


def test_the_lists_take_as_many_statements_for_many_rows_as_for_few(tenant: Tenant) -> None:
    staff, shopper = sign_in(tenant), make_shopper()
    ranker = make_version("live")

    def add(number: int) -> None:
        for _ in range(number):
            item = make_item()
            decision = make_decision(shopper=shopper)
            Impression.objects.create(decision=decision, item=item, position=0, score=0.1)
            ItemNeighbors.objects.create(ranker=ranker, item=item, neighbor_ids=[], weights=[])
            ItemFacts.objects.create(item=item)
            make_version("retired")
            MerchandisingRule.objects.create(name="r", kind="boost", item=item)

    models = (Decision, Impression, ItemNeighbors, ItemFacts, RankerVersion, MerchandisingRule)
    pages = [page_of(model, "changelist") for model in models]
    add(51)
    few = [statements(staff, page) for page in pages]
    add(30)
    many = [statements(staff, page) for page in pages]
    # The staff user; the estimate of the table, too small to go by; the count; the keys of the
    # page; its rows, joined. Decisions and neighbors also read the choices of a filter; rules are
    # few, so they are counted twice and not estimated, and read the placements of a filter.
    # Whoever looks at decisions and impressions looks at shoppers: an entry of the audit trail.
    assert many == few == [7, 6, 6, 5, 5, 5]


def test_decisions_are_found_by_id_shopper_and_item(tenant: Tenant) -> None:
    item = make_item("OAK")
    mine = make_decision(shopper=make_shopper("ann"), placement="cart", fallbacks=["content"])
    other = make_decision(shopper=make_shopper("bob"))
    Impression.objects.create(decision=other, item=item, position=0, score=0.3)
    Placement.objects.create(code="cart", question="cart")
    staff = sign_in(tenant)
    assert shown(staff, DECISIONS, mine, other) == [True, True]
    assert shown(staff, DECISIONS, mine, other, q=str(mine.pk)) == [True, False]
    assert shown(staff, DECISIONS, mine, other, q="ann") == [True, False]
    assert shown(staff, DECISIONS, mine, other, q="OAK") == [False, True]
    assert shown(staff, DECISIONS, mine, other, q="nothing") == [False, False]
    assert shown(staff, DECISIONS, mine, other, placement="cart") == [True, False]
    assert shown(staff, DECISIONS, mine, other, fallback="any") == [True, False]
    assert shown(staff, DECISIONS, mine, other, fallback="none") == [False, True]


def test_a_version_is_promoted_from_the_list_and_from_its_page(tenant: Tenant) -> None:
    first = make_version("live")
    second = make_version("candidate")
    staff = sign_in(tenant)
    answer = staff.post(
        VERSIONS, {"action": "promote_selected", "_selected_action": [second.pk]}, follow=True
    )
    assert f"Version {second.pk} is live." in text_of(answer)
    assert RankerVersion.objects.live().get() == second

    staff.get(page_of(first, "promote"))
    assert RankerVersion.objects.live().get() == second, "looking at the question is no answer"
    staff.post(page_of(first, "promote"), {"_form_submitted": "on"})
    assert RankerVersion.objects.live().get() == first
    assert "Promoted by boss" in text_of(staff.get(page_of(first)))
    assert "Promoted." in text_of(staff.get(page_of(first, "history")))


def test_a_version_that_cannot_serve_is_not_promoted_and_the_page_says_why(tenant: Tenant) -> None:
    live = make_version("live")
    failed = make_version("failed")
    staff = sign_in(tenant)
    assert "/promote/" not in text_of(staff.get(page_of(failed)))
    for keys, says in (([failed.pk], "cannot serve"), ([live.pk, failed.pk], "Choose one version")):
        answer = staff.post(
            VERSIONS, {"action": "promote_selected", "_selected_action": keys}, follow=True
        )
        assert says in text_of(answer)
    assert RankerVersion.objects.live().get() == live


def test_only_who_may_change_versions_may_promote_one(tenant: Tenant) -> None:
    candidate = make_version("candidate")
    viewer = sign_in(tenant, "viewer", permissions=("recommendations.view_rankerversion",))
    assert viewer.get(page_of(candidate)).status_code == 200
    form = {"_form_submitted": "on"}
    assert viewer.post(page_of(candidate, "promote"), form).status_code == 403
    viewer.post(VERSIONS, {"action": "promote_selected", "_selected_action": [candidate.pk]})
    assert not RankerVersion.objects.live().exists()


def test_the_metrics_of_a_version_stand_beside_those_of_the_version_live_then(
    tenant: Tenant,
) -> None:
    quality = {"all_recall": 0.25, "all_ndcg": 0.2, "new_recall": 0.1, "new_ndcg": 0.05}
    version = RankerVersion.objects.create(
        status="live",
        metrics={
            "split_at": 1_700_000_000.0,
            "version": {**quality, "shoppers": 40},
            "live": {**quality, "all_ndcg": 0.16},
        },
    )
    bare = make_version("training")
    staff = sign_in(tenant)
    page = text_of(staff.get(page_of(version)))
    for says in ("0.2000", "0.1600", "+25.0%", "+0.0%", "14 November 2023", "40 shoppers"):
        assert says in page
    assert "not measured yet" in text_of(staff.get(page_of(bare)))
    assert "0.2000" in text_of(staff.get(VERSIONS))


def test_a_rule_holds_from_the_next_request_on_also_when_it_is_deleted(
    tenant: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    item = make_item()
    Placement.objects.create(code="home", question="home")
    assert placement_settings("home").rules == (), "now they are cached"
    staff = sign_in(tenant)
    form = {"name": "Hero", "kind": "pin", "item": str(item.pk), "amount": "0.5"}
    with django_capture_on_commit_callbacks(execute=True):
        assert staff.post(RULES, form).status_code == 302
    assert placement_settings("home").rules == (), "it is a draft"
    with django_capture_on_commit_callbacks(execute=True):
        rule = MerchandisingRule.objects.get()
        rule.status = MerchandisingRule.Status.LIVE
        rule.save()
    assert [rule.name for rule in placement_settings("home").rules] == ["Hero"]

    with django_capture_on_commit_callbacks(execute=True):
        staff.post(
            page_of(MerchandisingRule, "changelist"),
            {"action": "delete_selected", "_selected_action": [rule.pk], "post": "yes"},
        )
    assert placement_settings("home").rules == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"category": ""}, "Say what the rule is for"),
        ({"kind": "pin"}, "A pin is for one item"),
        ({"amount": "-1"}, "A strength is between 0 and 10."),
        ({"starts_at_0": "2025-02-02", "starts_at_1": "00:00"}, "ends before it begins"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_in_words(
    tenant: Tenant, changes: dict[str, str], says: str
) -> None:
    form = {"name": "R", "kind": "boost", "category": "Shoes", "amount": "0.5"}
    form |= {"ends_at_0": "2025-01-01", "ends_at_1": "00:00"}
    staff = sign_in(tenant)
    refused = staff.post(RULES, {**form, **changes})
    assert refused.status_code == 200
    assert says in text_of(refused)
    assert not MerchandisingRule.objects.exists()
    assert staff.post(RULES, form).status_code == 302, "without the fault it is taken"


def test_static_items_hold_from_the_next_request_on(
    tenant: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    item = make_item()
    placement = Placement.objects.create(code="home", question="home")
    assert placement_settings("home").static_item_ids == (), "now they are cached"
    form = {"code": "home", "question": "home", "diversity": "0.3", "active": "on"}
    form |= {"over_budget": "hide", "cap_days": "7", "new_for_days": "30"}
    form |= {"discovery_share": "0", "new_share": "0"}
    with django_capture_on_commit_callbacks(execute=True):
        answer = sign_in(tenant).post(page_of(placement), {**form, "static_items": [str(item.pk)]})
    assert answer.status_code == 302
    assert placement_settings("home").static_item_ids == (item.pk,)


def test_the_neighbors_of_an_item_are_named_strongest_first(tenant: Tenant) -> None:
    item, near, far = make_item(title="Oak"), make_item(title="Beech"), make_item(title="Pine")
    ranker = make_version("live")
    row = ItemNeighbors.objects.create(
        ranker=ranker, item=item, neighbor_ids=[near.pk, 999_999, far.pk], weights=[0.5, 0.4, 0.1]
    )
    page = text_of(sign_in(tenant).get(page_of(row)))
    assert page.index("Beech") < page.index("Pine")
    assert "0.1000" in page


def test_the_overview_counts_the_last_day_for_those_who_may_see_it(tenant: Tenant) -> None:
    now = timezone.now()
    make_decision(served_at=now - timedelta(hours=2), fallbacks=["content"])
    make_decision(served_at=now - timedelta(hours=3))
    make_decision(served_at=now - timedelta(days=2))
    RankerVersion.objects.create(status="live", metrics={"version": {"all_ndcg": 0.1234}})
    staff = sign_in(tenant)
    with CaptureQueriesContext(connection) as queries:
        page = text_of(staff.get("/admin/"))
    assert "50.0% of the slates" in page
    assert "nDCG 0.1234" in page
    assert page.count("/change/") >= 3, "the latest slates are linked"
    # The tenant of the host; the staff user; events by hour; slates by hour; the last import;
    # the live ranker; the latest slates.
    assert sum(not query["sql"].startswith("SET search_path") for query in queries) == 7
    assert statements(staff, "/admin/") == 2, "the tiles are cached for a minute"

    viewer = sign_in(tenant, "viewer", permissions=("catalog.view_item",))
    little = text_of(viewer.get("/admin/"))
    assert "nDCG" not in little
    assert "of the slates" not in little
