"""What signals may do: proposed by one, approved by another; and what is sensitive."""

from typing import Any

import pytest

from profiles.consent import permitted_events
from profiles.models import EventKind, Purpose, Shopper
from profiles.policy import approve, propose, refuse, set_signal_policy, signal_policy
from profiles.policy_models import PolicyProposal, SensitiveTopic, SignalPolicy
from recommendations.circumstances import hints_of
from recommendations.models import CircumstanceItems
from recommendations.rules import Circumstances
from tenants.audit_models import AuditEntry
from tenants.errors import DomainError
from tenants.models import Tenant
from tests.conftest import ApiClient
from tests.make import make_event, make_shopper
from tests.shop import Shop, planted_shop
from tests.staff import page_of, sign_in


@pytest.fixture
def shop(api: ApiClient) -> Shop:
    return planted_shop()


@pytest.fixture
def camper(shop: Shop) -> Shopper:
    shopper = make_shopper("camper")
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    return shopper


def reasons(api: ApiClient) -> list[str]:
    body = api.get("/api/v1/recommendations", placement="home", shopper="camper", limit=4).json()
    return [item["reason"]["text"] for item in body["items"] if item["reason"]]


def ledger_kinds(api: ApiClient) -> set[str]:
    body = api.get("/api/v1/recommendations", placement="home", shopper="camper", limit=4).json()
    why = api.get(f"/api/v1/recommendations/{body['decision']}/why").json()
    return {line["signal"]["kind"] for item in why["items"] for line in item["ledger"]}


def test_a_proposal_changes_nothing_until_somebody_else_approves_it(tenant: Tenant) -> None:
    proposal = propose("view", {"may_rank": False}, why="Too noisy", by="merchant")
    assert "view" in signal_policy().may_rank
    with pytest.raises(DomainError, match="cannot approve"):
        approve(proposal, by="merchant")
    assert "view" in signal_policy().may_rank
    policy = approve(proposal, by="officer")
    assert (policy.version, "view" in signal_policy().may_rank) == (1, False)
    with pytest.raises(DomainError, match="already"):
        approve(proposal, by="another")


def test_versions_count_up_and_the_history_stays(tenant: Tenant) -> None:
    first = propose("view", {"may_cite": False}, why="a", by="merchant")
    refused = propose("view", {"may_collect": False}, why="b", by="merchant")
    approve(first, by="officer")
    refuse(refused, by="officer", note="We need the counts.")
    approve(propose("view", {"may_cite": True}, why="c", by="merchant"), by="officer")
    told = PolicyProposal.objects.order_by("id").values_list("status", "version", "decision")
    assert list(told) == [
        ("approved", 1, ""), ("refused", None, "We need the counts."), ("approved", 2, ""),
    ]  # fmt: skip
    assert SignalPolicy.objects.get().version == 2
    entry = AuditEntry.objects.filter(kind="profiles.signalpolicy").latest("number")
    assert (entry.before["may_cite"], entry.after["may_cite"]) == (False, True)


def test_staff_propose_and_decide_with_the_permission_alone(tenant: Tenant) -> None:
    may = ("profiles.add_policyproposal", "profiles.view_policyproposal")
    merchant = sign_in(tenant, "merchant", permissions=may)
    form: dict[str, Any] = {"signal_kind": "purchase", "sensitivity": "ordinary", "why": "Gifts",
                            "may_collect": "on", "may_rank": "on"}  # fmt: skip
    assert merchant.post(page_of(PolicyProposal, "add"), form).status_code == 302
    proposal = PolicyProposal.objects.get()
    assert (proposal.proposed_by, proposal.may_cite) == ("merchant", False)
    address = f"/admin/profiles/policyproposal/{proposal.pk}/approve/"
    merchant.post(address, {"_form_submitted": "on"})
    assert not SignalPolicy.objects.exists()
    officer = sign_in(tenant, "officer")
    officer.post(address, {"_form_submitted": "on"})
    assert SignalPolicy.objects.get().may_cite is False
    assert officer.post(page_of(SignalPolicy, "add"), form).status_code == 403
    assert "telepathy" not in str(PolicyProposal.objects.values_list("signal_kind"))
    merchant.post(page_of(PolicyProposal, "add"), {**form, "signal_kind": "telepathy"})
    assert PolicyProposal.objects.count() == 1


def test_a_kind_that_may_not_be_collected_is_refused_and_the_others_are_stored(
    api: ApiClient, camper: Shopper
) -> None:
    set_signal_policy("view", may_collect=False)
    events = [{"kind": kind, "shopper": "camper", "item": "C1"} for kind in ("view", "click")]
    answer = api.post("/api/v1/events", {"events": events}).json()
    assert [o["status"] for o in answer["outcomes"]] == ["refused", "stored"]
    assert answer["outcomes"][0]["code"] == "not_collected"
    stored = permitted_events(Purpose.PERSONALIZATION).filter(shopper=camper)
    assert sorted(stored.values_list("kind", flat=True)) == ["click", "purchase"]


def test_a_signal_past_its_days_is_not_ranked_on(api: ApiClient, shop: Shop) -> None:
    from datetime import timedelta  # noqa: PLC0415

    from django.utils import timezone  # noqa: PLC0415

    old = timezone.now() - timedelta(days=40)
    make_event(make_shopper("camper"), shop.camping[0], EventKind.PURCHASE, at=old)
    assert "purchase" in ledger_kinds(api)
    set_signal_policy("purchase", retention_days=30)
    assert "purchase" not in ledger_kinds(api)
    set_signal_policy("purchase", retention_days=50)
    assert "purchase" in ledger_kinds(api)


def test_what_was_done_with_sensitive_items_is_neither_ranked_on_nor_cited(
    api: ApiClient, camper: Shopper
) -> None:
    assert any("Tent" in reason for reason in reasons(api))
    topic = SensitiveTopic.objects.create(value="Camping", topic="health")
    assert "purchase" not in ledger_kinds(api)
    assert not any("Tent" in reason for reason in reasons(api))
    topic.may_rank = True
    topic.save()
    assert "purchase" in ledger_kinds(api), "ranked on where that was allowed"
    assert not any("Tent" in reason for reason in reasons(api)), "and never cited"
    topic.delete()
    assert any("Tent" in reason for reason in reasons(api))


def test_a_search_for_sensitive_items_is_not_used(api: ApiClient, shop: Shop) -> None:
    make_shopper("camper")
    search = {"kind": "search", "shopper": "camper", "query": "tent"}
    api.post("/api/v1/events", {"events": [search]})
    assert "search" in ledger_kinds(api)
    SensitiveTopic.objects.create(value="Camping", topic="debt")
    assert "search" not in ledger_kinds(api)


def test_the_late_hour_is_never_cited_and_not_ranked_on_unless_allowed(
    tenant: Tenant, shop: Shop
) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415

    night = datetime(2026, 5, 4, 2, tzinfo=UTC)
    CircumstanceItems.objects.create(
        dimension="hour", value="night", item_ids=[shop.camping[0].pk], weights=[0.05]
    )
    set_signal_policy("circumstance", may_rank=True, may_cite=True)
    [hint] = hints_of(Circumstances(), night)
    policy = signal_policy()
    assert not policy.cites("circumstance", None, hint.name)
    assert not policy.ranks("circumstance", 0, hint.name, 0, 0)
    SensitiveTopic.objects.create(about="circumstance", value="hour night", may_rank=True)
    policy = signal_policy()
    assert policy.ranks("circumstance", 0, hint.name, 0, 0)
    assert not policy.cites("circumstance", None, hint.name)
    assert policy.cites("circumstance", None, "country DE")
