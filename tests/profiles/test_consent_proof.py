"""What proves a choice: who sent it, where it was made, under which text; kept and answered."""

import pytest

from profiles.consent import consent_proofs, record_consent, record_consents
from profiles.models import Consent, ConsentChange, ConsentText, Purpose
from tenants.audit_chain import verify
from tenants.models import ApiKey, AuditEntry, Tenant
from tests.conftest import ApiClient
from tests.make import make_shopper
from tests.staff import page_of, sign_in

CONSENTS = "/api/v1/shoppers/s-1/consents"


def test_a_choice_over_the_api_is_kept_with_the_key_the_place_and_the_text(api: ApiClient) -> None:
    ConsentText.objects.create(version="2026-05", wording="We remember what you look at.")
    chosen = {"personalization": True, "source": "banner", "text": "2026-05"}
    assert api.put(CONSENTS, chosen).status_code == 200
    api.put(CONSENTS, {"personalization": False, "source": "account", "text": "shop-7"})
    told = api.get(CONSENTS).json()
    assert told["consents"]["personalization"] is False
    last, first = told["history"]
    assert (first["source"], first["set_by"]) == ("banner", "api_key tests")
    assert (first["text"], first["wording"]) == ("2026-05", "We remember what you look at.")
    assert (last["text"], last["wording"]) == ("shop-7", None), "a text that the shop keeps"


def test_a_choice_over_the_api_is_in_the_audit_trail_with_the_key_and_the_address(
    api: ApiClient,
) -> None:
    shopper = make_shopper("s-1", granted=False)
    before = AuditEntry.objects.count()
    chosen = {"personalization": True, "marketing": False, "source": "Ann's phone", "text": "v1"}
    for _ in range(2):
        assert (
            api.request(
                "PUT",
                CONSENTS,
                chosen,
                REMOTE_ADDR="203.0.113.7",
                headers={"X-Request-ID": "req-00001"},
            ).status_code
            == 200
        )
    [entry] = AuditEntry.objects.order_by("number")[before:]
    assert (entry.actor_kind, entry.actor) == ("api_key", "tests")
    assert entry.actor_id == str(ApiKey.objects.get(name="tests").pk)
    assert (entry.address, entry.request_id) == ("203.0.113.7", "req-00001")
    assert (entry.verb, entry.kind, entry.object_id) == (
        "changed", "profiles.consent", str(shopper.pk),
    )  # fmt: skip
    assert entry.after == {"personalization": True, "marketing": False, "text": "v1"}
    assert "Ann" not in str(vars(entry)), "an entry outlives an erasure"
    refused = api.put(CONSENTS, {"personalization": "perhaps", "source": "account"})
    assert refused.status_code == 400
    assert AuditEntry.objects.count() == before + 1
    assert verify(api.tenant).clean


def test_many_choices_at_once_are_one_entry(tenant: Tenant) -> None:
    shoppers = [make_shopper(f"s-{number}", granted=False) for number in range(150)]
    before = AuditEntry.objects.count()
    record_consents(shoppers, {Purpose.ANALYTICS: True}, source="import")
    [entry] = AuditEntry.objects.order_by("number")[before:]
    assert entry.label == "consents of 150 shoppers"
    assert len(entry.after["shoppers"]) == 101


def test_the_same_choice_under_a_new_text_is_kept_and_drops_nothing(tenant: Tenant) -> None:
    shopper = make_shopper("s-1", granted=False)
    for text in ("1", "1", "", "2"):
        record_consent(shopper, Purpose.MARKETING, granted=True, source="banner", text=text)
    texts = ConsentChange.objects.order_by("id").values_list("text_version", flat=True)
    assert list(texts) == ["1", "2"]
    assert Consent.objects.get(purpose=Purpose.MARKETING).text_version == "2"


def test_what_a_program_records_names_the_program(tenant: Tenant) -> None:
    shopper = make_shopper("s-1")
    proofs = [change for change, _ in consent_proofs(shopper)]
    assert [change.set_by_kind for change in proofs] == ["system", "system"]
    assert all(change.set_by for change in proofs)


def test_another_tenants_shopper_has_no_history_here(api: ApiClient) -> None:
    assert api.get("/api/v1/shoppers/nobody/consents").json()["code"] == "unknown_shopper"


@pytest.mark.parametrize("text", ["x" * 101, 7, "a\x00b"])
def test_a_text_that_cannot_be_one_is_refused(api: ApiClient, text: object) -> None:
    answer = api.put(CONSENTS, {"analytics": True, "source": "t", "text": text})
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["text"])
    assert not ConsentChange.objects.exists()


def test_a_text_is_never_changed_and_goes_only_while_no_choice_names_it(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    used = ConsentText.objects.create(version="used", wording="Word for word")
    unused = ConsentText.objects.create(version="unused", wording="Draft")
    record_consent(make_shopper(), Purpose.MARKETING, granted=True, source="t", text="used")
    staff.post(page_of(used), {"version": "used", "wording": "Something else", "language": "en"})
    used.refresh_from_db()
    assert used.wording == "Word for word"
    assert staff.post(page_of(used, "delete"), {"post": "yes"}).status_code == 403
    assert staff.post(page_of(unused, "delete"), {"post": "yes"}).status_code == 302
    assert list(ConsentText.objects.all()) == [used]
