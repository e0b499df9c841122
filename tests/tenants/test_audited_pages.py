"""What the admin writes into the audit trail, by itself."""

import csv

from django.contrib import admin

from catalog.models import Item, Review
from profiles.models import EventKind, Shopper
from profiles.policy_models import SensitiveTopic
from recommendations.models import MerchandisingRule, Placement, RankerVersion
from recommendations.training.recipe import Recipe
from tenants.audit import HIDDEN, About, Verb, is_secret, record, shown
from tenants.audit_models import AuditEntry
from tenants.audited import AuditedPages
from tenants.keys import mint_key, revoke_key
from tenants.models import ApiKey, StaffUser, Tenant
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.staff import one_of_each, page_of, sign_in, text_of

SUBMITTED = {"_form_submitted": "on"}
"""What the browser sends when a dialog is confirmed."""


def last() -> AuditEntry:
    entry = AuditEntry.objects.first()
    assert entry is not None
    return entry


def entries(**fields: str) -> int:
    return AuditEntry.objects.filter(**fields).count()


def test_every_page_of_the_admin_audits() -> None:
    others = [type(page) for page in admin.site._registry.values()]
    assert [page for page in others if not issubclass(page, AuditedPages)] == []


def test_every_model_of_a_shopper_has_a_page_that_says_so() -> None:
    personal = {m._meta.label for m, page in admin.site._registry.items() if page.personal}  # type: ignore[attr-defined]
    assert personal == {
        "profiles.Shopper", "profiles.Consent", "profiles.ConsentChange", "profiles.Session",
        "profiles.Event", "profiles.PrivacyRequest",
        "recommendations.Decision", "recommendations.Impression",
    }  # fmt: skip
    for model, page in admin.site._registry.items():
        fields = {field.name for field in model._meta.get_fields()}
        shows_shopper = "shopper" in fields and model._meta.label != "recommendations.Search"
        if shows_shopper:
            assert page.personal or "shopper" in page.personal_fields, model  # type: ignore[attr-defined]


def test_a_change_holds_who_did_it_what_it_was_and_what_it_is(tenant: Tenant) -> None:
    staff = sign_in(tenant, "mia")
    placement = Placement.objects.create(code="home", question="home", diversity=0.2)
    page = staff.get(page_of(placement)).context["adminform"].form.initial
    fields = {name: v for name, v in page.items() if v is not None and v is not False}
    fields["static_items"] = []
    response = staff.post(
        page_of(placement), {**fields, "diversity": "0.7"}, headers={"X-Request-ID": "edge-12345"}
    )
    assert response.status_code == 302, response.context["adminform"].form.errors

    entry = last()
    assert (entry.actor_kind, entry.actor, entry.verb) == ("staff", "mia", "changed")
    assert entry.actor_id == str(StaffUser.objects.get(username="mia").pk)
    assert (entry.kind, entry.object_id) == ("recommendations.placement", str(placement.pk))
    assert entry.label == str(placement)
    assert entry.before["diversity"] == 0.2
    assert entry.after["diversity"] == 0.7
    assert "code" not in entry.after, "it was not changed"
    assert (entry.address, entry.request_id) == ("127.0.0.1", "edge-12345")


def test_additions_and_deletions_are_recorded_with_their_values(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    added = staff.post(
        page_of(SensitiveTopic, "add"), {"about": "category", "value": "purchase", "may_rank": "on"}
    )
    assert added.status_code == 302
    policy = SensitiveTopic.objects.get()
    entry = last()
    assert (entry.verb, entry.kind) == ("added", "profiles.sensitivetopic")
    assert entry.after["value"] == "purchase"
    assert entry.after["may_rank"] is True

    staff.post(page_of(policy, "delete"), {"post": "yes"})
    entry = last()
    assert (entry.verb, entry.object_id) == ("deleted", str(policy.pk))
    assert entry.before["may_rank"] is True
    assert not SensitiveTopic.objects.exists()


def test_a_change_in_the_list_is_recorded(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    policy = SensitiveTopic.objects.create(value="view", may_rank=True)
    staff.post(
        page_of(SensitiveTopic, "changelist"),
        {
            "form-TOTAL_FORMS": "1",
            "form-INITIAL_FORMS": "1",
            "form-0-id": policy.pk,
            "_save": "Save",
        },
    )
    assert not SensitiveTopic.objects.get().may_rank
    assert (last().verb, last().before, last().after) == (
        "changed", {"may_rank": True}, {"may_rank": False},
    )  # fmt: skip


def test_deleting_chosen_rows_is_recorded_one_by_one_when_it_is_done(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    policies = [SensitiveTopic.objects.create(value=kind) for kind in ("view", "click")]
    chosen = {"action": "delete_selected", "_selected_action": [p.pk for p in policies]}
    before = entries()
    staff.post(page_of(SensitiveTopic, "changelist"), chosen)
    assert entries() == before, "it only asked"
    staff.post(page_of(SensitiveTopic, "changelist"), {**chosen, "post": "yes"})
    assert entries(verb="deleted") == 2


def test_an_action_on_chosen_rows_is_recorded_with_their_ids(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    items = [make_item(f"A{number}") for number in range(2)]
    staff.post(
        page_of(Item, "changelist"),
        {"action": "archive_items", "_selected_action": [item.pk for item in items]},
    )
    entry = last()
    assert (entry.verb, entry.kind) == ("ran", "catalog.item")
    assert entry.after["action"] == "Archive the selected items"
    assert sorted(entry.after["ids"]) == sorted(str(item.pk) for item in items)


def test_publishing_a_rule_and_promoting_a_ranker_are_recorded_once(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    make_item("A", brand="Acme")
    rule = MerchandisingRule.objects.create(name="Up", kind="boost", amount=0.5, brand="Acme")
    before = entries()
    staff.post(f"/admin/recommendations/merchandisingrule/{rule.pk}/publish/", SUBMITTED)
    assert (entries() - before, last().label, last().after) == (
        1, str(rule), {"note": "Published."},
    )  # fmt: skip

    version = RankerVersion.objects.create(status="candidate", params=Recipe().as_json())
    staff.post(f"/admin/recommendations/rankerversion/{version.pk}/promote/", SUBMITTED)
    assert entries(kind="recommendations.rankerversion") == 1
    assert last().after == {"note": "Promoted."}


def test_looking_at_a_shopper_is_recorded_once_a_view(tenant: Tenant) -> None:
    staff = sign_in(tenant, "privacy")
    shoppers = [make_shopper(f"s-{number}") for number in range(3)]
    before = entries()
    staff.get(page_of(shoppers[0]))
    entry = last()
    assert (entries() - before, entry.verb, entry.actor) == (1, "viewed", "privacy")
    assert (entry.kind, entry.object_id) == ("profiles.shopper", str(shoppers[0].pk))
    assert "s-0" not in entry.label, "an entry outlives the erasure of the shopper"

    staff.get(page_of(Shopper, "changelist"), {"q": "s-"})
    entry = last()
    assert (entries() - before, entry.verb) == (2, "listed")
    assert entry.after == {"rows": 3, "searched": HIDDEN}

    make_event(shoppers[1], make_item("A"), EventKind.VIEW)
    staff.get("/admin/profiles/event/", {"shopper__id__exact": shoppers[1].pk})
    assert last().after == {"rows": 1, "filters": {"shopper__id__exact": str(shoppers[1].pk)}}

    before = entries()
    staff.get(f"/admin/profiles/shopper/{10**9}/change/")
    staff.get(page_of(Item, "changelist"))
    assert entries() == before, "nobody's data was shown"


def test_looking_at_a_shopper_by_way_of_other_pages_is_recorded_too(tenant: Tenant) -> None:
    shopper = make_shopper("s-1")
    client = sign_in(tenant)
    before = AuditEntry.objects.count()
    assert "s-1" in text_of(client.get(page_of(shopper, "history")))
    field = {"app_label": "recommendations", "model_name": "decision", "field_name": "shopper"}
    assert "s-1" in text_of(client.get("/admin/autocomplete/", {**field, "term": "s-"}))
    looks = AuditEntry.objects.filter(number__gt=before).order_by("number")
    assert [(look.verb, look.object_id, look.after) for look in looks] == [
        ("viewed", str(shopper.pk), {"page": "history"}),
        ("listed", "", {"searched": HIDDEN}),
    ]


def test_what_a_person_wrote_stays_out_of_the_trail(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    rows = one_of_each()
    review = rows[Review]
    staff.post(page_of(review, "delete"), {"post": "yes"})
    entry = last()
    assert entry.verb == "deleted"
    assert (entry.before["text"], entry.before["author"]) == (HIDDEN, HIDDEN)
    assert entry.before["rating"] == 4


def test_secrets_stay_out_of_the_trail() -> None:
    assert shown({"password1": "x", "api_key": "y", "digest": "z", "token": "t"}) == dict.fromkeys(
        ("password1", "api_key", "digest", "token"), HIDDEN
    )
    assert not is_secret("external_id")
    assert shown({"name": "\x00" + "y" * 5_000})["name"] == "y" * 1_999 + "…"


def test_keys_are_recorded_when_minted_and_revoked_and_never_told(tenant: Tenant) -> None:
    key, text = mint_key("Storefront server", scopes=["events:write"])
    entry = last()
    assert (entry.verb, entry.label) == ("minted key", str(key))
    assert entry.after["scopes"] == ["events:write"]
    assert entry.actor_kind == "system"
    revoke_key(key)
    revoke_key(key)
    assert entries(verb="revoked key") == 1
    stored = str(list(AuditEntry.objects.values()))
    assert text not in stored
    assert key.digest not in stored

    staff = sign_in(tenant, "boss")
    staff.post(
        page_of(ApiKey, "add"), {"name": "By hand", "scopes": ["catalog:read"],
        "requests_per_minute": 60, "shopper_requests_per_minute": 60},
    )  # fmt: skip
    assert AuditEntry.objects.get(verb="minted key", actor="boss").label.startswith("By hand")


def test_requests_of_the_api_write_no_entry_but_of_a_consent(api: ApiClient) -> None:
    make_item("A")
    api.put("/api/v1/shoppers/s-1/consents", {"personalization": True, "source": "account"})
    assert entries(kind="profiles.consent", actor_kind="api_key") == 1
    before = entries()
    api.get("/api/v1/recommendations", placement="home", shopper="s-1")
    api.put("/api/v1/shoppers/s-1", {"preferences": {"color": "red"}})
    api.post("/api/v1/events", {"events": [{"kind": "view", "shopper": "s-1", "item": "A"}]})
    assert entries() == before


def test_the_trail_is_searched_filtered_and_exported_by_those_who_may(tenant: Tenant) -> None:
    staff = sign_in(tenant, "boss")
    item = make_item("A", title="=SUM(1)")
    record(Verb.CHANGED, item, before={"title": "Old"}, after={"title": "=SUM(1)"})
    record(Verb.VIEWED, About("profiles.shopper", "77", "shopper 77"))
    trail = page_of(AuditEntry, "changelist")

    assert "=SUM(1)" in text_of(staff.get(trail, {"q": "sum(1)"}))
    assert "shopper 77" not in text_of(staff.get(trail, {"q": "sum(1)"}))
    assert "shopper 77" in text_of(staff.get(trail, {"q": "77"}))
    assert "=SUM(1)" not in text_of(staff.get(trail, {"verb": "viewed"}))
    assert "shopper 77" in text_of(staff.get(trail, {"kind": "profiles.shopper"}))
    changed = AuditEntry.objects.get(verb="changed")
    assert "Old" in text_of(staff.get(page_of(changed)))
    assert staff.post(page_of(changed), {"actor": "nobody"}).status_code == 403

    answer = staff.get(f"{trail}export/", {"verb": "changed", "q": "=sum"})
    content = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    (row,) = csv.DictReader(content.splitlines())
    assert row["label"] == "'=SUM(1)", "no spreadsheet runs it"
    assert row["hash"] == changed.hash
    assert (last().verb, last().kind, last().actor) == ("exported", "tenants.auditentry", "boss")
    assert last().after == {"searched": HIDDEN, "filters": {"verb": HIDDEN}}

    reader = sign_in(tenant, "reader", permissions=("tenants.view_auditentry",))
    assert "Download" not in text_of(reader.get(trail))
    assert reader.get(f"{trail}export/").status_code == 403
