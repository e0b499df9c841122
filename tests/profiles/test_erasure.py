"""Erasing a shopper: everywhere, once, provably, and for good."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from catalog.feeds.options import FeedDefaults
from catalog.models import FeedContent, FeedImport, Item, Review
from catalog.review_batches import write_reviews
from catalog.tasks import run_feed_import
from profiles import erasure, held
from profiles.certificates import canonical, sign
from profiles.identity import ShopperRef, ensure_shoppers, find_shopper
from profiles.ingest import OutcomeStatus, record_events
from profiles.models import Event, EventKey, EventKind, Identity, PrivacyRequest, Shopper
from profiles.replay import replay_erasures
from profiles.requests import open_request, request_erasure, run, run_waiting
from profiles.stores import Person, When, all_stores, person_of
from recommendations.models import Decision, Impression
from recommendations.search_models import Search
from tenants.connection import connection
from tenants.keys import mint_key
from tenants.models import KeptAnswer, Tenant, Tombstone
from tenants.tombstones import digest_of, put_up
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.staff import contribution, served

TOKEN = "zebra-77"


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.PRIVACY_DIR = tmp_path / "privacy"
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def shopper(tenant: Tenant) -> Shopper:
    """Somebody with something in every store, in each case with the token in it."""
    item = make_item("A")
    record_events(
        [{"kind": "view", "anonymous": f"{TOKEN}-phone", "item": "A", "session": f"{TOKEN}-visit"}]
    )
    shopper = make_shopper(TOKEN)
    shopper.traits = {"name": f"{TOKEN} Smith"}
    shopper.save()
    record_events([{"kind": "view", "shopper": TOKEN, "anonymous": f"{TOKEN}-phone", "item": "A"}])
    make_event(shopper, item, EventKind.PURCHASE, idempotency_key=f"{TOKEN}-order")
    make_event(shopper, None, EventKind.SUPPORT_TICKET, text=f"I am {TOKEN}")
    write_reviews(
        [{"item": "A", "external_id": "r-1", "rating": 5, "text": f"By {TOKEN}", "shopper": TOKEN}],
        defaults=FeedDefaults(),
    )
    upload = FeedImport.objects.create(
        content=FeedContent.REVIEWS, format="csv", file_name="reviews.csv", status="done"
    )
    upload.file.save("reviews.csv", ContentFile(f"item,rating,shopper\nA,5,{TOKEN}\n".encode()))
    decision = Decision.objects.create(
        placement="home",
        shopper=shopper,
        served_at=timezone.now(),
        slate=[served(TOKEN, contribution(0.3, title=TOKEN))],
        latency_ms=4,
    )
    Impression.objects.create(decision=decision, item=item, position=0, score=0.3)
    Search.objects.create(
        id=decision.pk, searched_at=timezone.now(), text=TOKEN, results=0, sort="relevance",
        latency_ms=4,
    )  # fmt: skip
    api_key, _ = mint_key("server")
    KeptAnswer.objects.create(
        api_key=api_key, digest="-", asked="-", about=digest_of(("known", TOKEN))
    )
    return shopper


def erased() -> PrivacyRequest:
    request = request_erasure(TOKEN, named_by="known", by="tests")
    run(request)
    request.refresh_from_db()
    return request


def test_erasure_leaves_no_trace_in_any_store(shopper: Shopper) -> None:
    person = person_of(shopper)
    assert person.anonymous == (f"{TOKEN}-phone",)
    empty = {store.name for store in all_stores() if not store.count(person)}
    assert empty == {"answers being written", "prepared slates", "refused rows"}

    request = erased()

    assert request.status == "done"
    assert {store.name: store.count(person) for store in all_stores() if store.count(person)} == {}
    assert not Shopper.objects.filter(pk__in=person.shoppers).exists()
    assert not EventKey.objects.filter(key__contains=TOKEN).exists()
    review = Review.objects.get()
    assert (review.rating, review.text, review.shopper) == (5, "", "")
    assert FeedImport.objects.get().file.name == ""
    decision = Decision.objects.get()
    assert (decision.shopper_id, decision.slate) == (None, [])
    assert decision.impressions.count() == 1, "what was shown is counted on, of nobody"
    assert not Search.objects.exists()
    assert (request.named, request.subject, request.note) == ("", {}, "")
    assert TOKEN not in json.dumps(request.certificate)


def test_late_events_and_old_feeds_do_not_bring_an_erased_shopper_back(
    shopper: Shopper,
) -> None:
    erased()
    events = [
        {"kind": "view", "shopper": TOKEN, "item": "A"},
        {"kind": "view", "anonymous": f"{TOKEN}-phone", "item": "A"},
        {"kind": "view", "shopper": TOKEN, "anonymous": "new-tablet", "item": "A"},
        {"kind": "view", "shopper": "somebody", "anonymous": f"{TOKEN}-phone", "item": "A"},
    ]
    outcomes = [outcome.status for outcome in record_events(events)]
    assert outcomes == [OutcomeStatus.ERASED] * 3 + [OutcomeStatus.STORED]
    assert [identity.value for identity in Identity.objects.all()] == ["somebody"]
    assert Event.stored.count() == 1
    assert ensure_shoppers([ShopperRef(known=TOKEN)]) == {}

    rows = [
        {"item": "A", "external_id": "r-2", "rating": 4, "text": TOKEN, "shopper": TOKEN},
        {"item": "A", "external_id": "r-1", "rating": 5, "text": TOKEN},
        {"item": "A", "external_id": "r-3", "rating": 3, "text": "Fine", "shopper": "somebody"},
    ]
    outcome = [row.status.value for row in write_reviews(rows, defaults=FeedDefaults())]
    assert outcome == ["unchanged", "unchanged", "created"]
    assert list(Review.objects.order_by("pk").values_list("text", flat=True)) == ["", "Fine"]
    assert sum(Tombstone.objects.values_list("refused", flat=True)) >= 5


@pytest.mark.parametrize("store", [s.name for s in all_stores() if s.when >= When.AFTER])
def test_an_erasure_that_is_interrupted_goes_on_where_it_was(
    shopper: Shopper, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = person_of(shopper)
    request = request_erasure(TOKEN, named_by="known", by="tests")
    whole = erasure._empty

    def dies(pk: Any, at: Any) -> None:
        if at.name == store:
            raise KeyboardInterrupt
        whole(pk, at)

    monkeypatch.setattr(erasure, "_empty", dies)
    with pytest.raises(KeyboardInterrupt):
        run(request)
    request.refresh_from_db()
    found = {step.store: step.found for step in request.steps.all()}
    assert request.status == "running"
    assert find_shopper(ShopperRef(known=TOKEN)) is None, "from the seal on nothing finds them"
    assert record_events([{"kind": "view", "shopper": TOKEN, "item": "A"}])[0].status == "erased"

    monkeypatch.setattr(erasure, "_empty", whole)
    assert run_waiting() == 1
    request.refresh_from_db()
    assert request.status == "done"
    assert {step.store: step.found for step in request.steps.all()} == found
    assert all(step.remaining == 0 for step in request.steps.all())
    assert sum(each.count(person) for each in all_stores()) == 0
    assert run_waiting() == 0


def test_asking_twice_is_one_erasure(shopper: Shopper) -> None:
    first = request_erasure(TOKEN, named_by="known", by="tests")
    assert request_erasure(TOKEN, named_by="known", by="tests") == first
    run(first)
    certificate = PrivacyRequest.objects.get().certificate
    assert request_erasure(TOKEN, named_by="known", by="tests") == first
    assert request_erasure(f"{TOKEN}-phone", named_by="anonymous", by="tests") == first
    run(first)
    assert PrivacyRequest.objects.get().certificate == certificate


def test_an_erasure_under_way_is_the_one_of_every_id_of_the_shopper(shopper: Shopper) -> None:
    first = request_erasure(TOKEN, named_by="known", by="tests")
    assert request_erasure(f"{TOKEN}-phone", named_by="anonymous", by="tests") == first
    erasure._seal(first.pk)
    for name, named_by in ((TOKEN, "known"), (f"{TOKEN}-phone", "anonymous")):
        assert request_erasure(name, named_by=named_by, by="tests") == first
    run(first)
    assert PrivacyRequest.objects.get().status == "done"


def test_a_request_that_waits_for_staff_does_not_hold_the_shops_erasure_up(
    shopper: Shopper,
) -> None:
    waits = open_request(PrivacyRequest.Kind.ERASURE, TOKEN)
    request = request_erasure(TOKEN, named_by="known", by="tests")
    assert (request.status, request.duplicate_of) == ("approved", None)
    run(request)
    waits.refresh_from_db()
    assert (waits.status, waits.reason) == ("denied", "The shopper was erased.")


def test_a_request_that_comes_to_its_turn_after_the_erasure_keeps_no_name(
    shopper: Shopper,
) -> None:
    other = open_request(
        PrivacyRequest.Kind.RECTIFICATION, TOKEN, status=PrivacyRequest.Status.APPROVED,
        note=f"From {TOKEN}", changes={"traits": {"name": TOKEN}},
    )  # fmt: skip
    unknown = open_request(
        PrivacyRequest.Kind.OBJECTION, "mistyped", status=PrivacyRequest.Status.APPROVED
    )
    run(request_erasure(TOKEN, named_by="known", by="tests"))
    run_waiting()
    for request in (other, unknown):
        request.refresh_from_db()
        assert (request.status, request.failure[:8]) == ("done", "There is")
    assert (other.named, other.note, other.changes) == ("", "", {})
    assert unknown.named == "mistyped", "staff see what there was none of"
    assert TOKEN not in str(list(PrivacyRequest.objects.values()))


def test_a_certificate_verifies_offline_and_a_changed_one_does_not(
    shopper: Shopper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = erased().certificate
    assert signed is not None
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(signed))
    call_command("verify_certificate", file, key=signed["public_key"])
    assert "VALID: erasure" in capsys.readouterr().out
    shuffled = dict(sorted(signed["certificate"].items(), reverse=True))
    assert canonical(shuffled) == canonical(signed["certificate"])

    changed = json.loads(json.dumps(signed))
    changed["certificate"]["stores"][0]["remaining"] = 7
    for text, why in (
        (json.dumps(changed), "changed after it was signed"),
        (json.dumps({**signed, "signature": "AAAA"}), "changed after it was signed"),
        (json.dumps({**signed, "public_key": "not base64"}), "not base64"),
        ("{", "not JSON"),
        ("[]", "no certificate"),
    ):
        file.write_text(text)
        with pytest.raises(CommandError, match=why) as refused:
            call_command("verify_certificate", file)
        assert refused.value.returncode == 1
    file.write_text(json.dumps(signed))
    with pytest.raises(CommandError, match="another key"):
        call_command("verify_certificate", file, key="A" * 43 + "=")


def test_a_restored_backup_is_cleaned(shopper: Shopper) -> None:
    erased()
    # What a backup from before the erasure brings back: the rows, and no tombstones.
    Tombstone.objects.all().delete()
    PrivacyRequest.objects.all().delete()
    record_events([{"kind": "view", "shopper": TOKEN, "item": "A"}])
    make_shopper("somebody")
    Review.objects.create(item=Item.objects.get(), external_id="r-9", rating=2,
                          text=TOKEN, shopper=TOKEN)  # fmt: skip

    done = replay_erasures()

    assert (done.shoppers, done.tombstones) == (1, 3)
    assert [identity.value for identity in Identity.objects.all()] == ["somebody"]
    assert not Review.objects.filter(text=TOKEN).exists()
    assert PrivacyRequest.objects.get().channel == "replay"
    assert replay_erasures().shoppers == 0


def test_nothing_cached_names_a_shopper(api: ApiClient, shopper: Shopper) -> None:
    from django_redis import get_redis_connection  # noqa: PLC0415  # used here only

    for placement in ("home", "buy-again"):
        api.get("/api/v1/recommendations", placement=placement, shopper=TOKEN)
    api.get("/api/v1/search", q="anything", shopper=TOKEN)
    valkey = get_redis_connection("default")
    for key in valkey.scan_iter("*"):
        assert TOKEN.encode() not in key
        kind = valkey.type(key)
        said = valkey.get(key) if kind == b"string" else b"".join(valkey.lrange(key, 0, -1))
        buffered = key.endswith((b":decisions", b":searches"))
        assert buffered or TOKEN.encode() not in said, key


def test_a_request_that_fails_keeps_no_other_from_being_answered(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = request_erasure(TOKEN, named_by="known", by="tests")
    make_shopper("bob")
    second = request_erasure("bob", named_by="known", by="tests")

    def fails(person: Person) -> Any:
        if TOKEN in person.known:
            raise OSError(f"no such file: {TOKEN}.csv")
        return iter(())

    with monkeypatch.context() as patch:
        patch.setattr(held, "_uploads_of", fails)
        assert run_waiting() == 1
    for request in (first, second):
        request.refresh_from_db()
    assert (first.status, second.status) == ("approved", "done")
    assert first.failure == "The last try failed (OSError). It is tried again every minute."
    assert TOKEN not in caplog.text
    assert run_waiting() == 1
    first.refresh_from_db()
    assert (first.status, first.failure) == ("done", "")


def test_a_signature_alone_makes_no_certificate(
    tenant: Tenant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = {"store": "events", "found": 1, "remaining": 0}
    whole: dict[str, Any] = {"request": "r", "tenant": "t", "finished_at": "now", "stores": [store]}
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(sign(whole)))
    call_command("verify_certificate", file)
    assert "VALID: erasure r" in capsys.readouterr().out
    for wrong in (
        *({name: said for name, said in whole.items() if name != left_out} for left_out in whole),
        {**whole, "stores": ["events"]},
        {**whole, "stores": [{**store, "remaining": "none"}]},
        {**whole, "stores": {"found": 1}},
    ):
        file.write_text(json.dumps(sign(wrong)))
        with pytest.raises(CommandError, match="NOT VALID: It is signed, and yet"):
            call_command("verify_certificate", file)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("zoë", json.dumps([{"item": "A", "rating": 4, "shopper": "zoë"}]).encode()),
        ("zoë", json.dumps([{"shopper": "zoë"}]).replace("00eb", "00EB").encode()),
        ("zoe-7", "\ufeffitem,rating,shopper\nA,4,zoe-7\n".encode("utf-16-le")),
        ("zoe-7", "\ufeffitem,rating,shopper\nA,4,zoe-7\n".encode("utf-16-be")),
        ("zoë", "item,rating,shopper\nA,4,zoë\n".encode("cp1252")),
        ("zoë", "item,rating,shopper\nA,4,zoë\n".encode()),
        ("Žoe", "item,rating,shopper\nA,4,Žoe\n".encode("iso8859-2")),
        ("zoe & co", b"<review><shopper>zoe &amp; co</shopper></review>"),
        ('zoe "z"', b'item,rating,shopper\nA,4,"zoe ""z"""\n'),
    ],
)
def test_an_uploaded_file_goes_however_it_writes_the_shopper(
    tenant: Tenant, name: str, content: bytes
) -> None:
    make_shopper(name)
    upload = FeedImport.objects.create(
        content=FeedContent.REVIEWS, format="csv", file_name="f", status="done",
        options={"encoding": "iso8859-2"} if name == "Žoe" else {},
    )  # fmt: skip
    upload.file.save("f", ContentFile(content))
    other = FeedImport.objects.create(
        content=FeedContent.REVIEWS, format="csv", file_name="g", status="done"
    )
    other.file.save("g", ContentFile(b"item,rating,shopper\nA,4,zoe-77\n"))
    request = request_erasure(name, named_by="known", by="tests")
    run(request)
    request.refresh_from_db()
    assert request.certificate is not None
    found = {step["store"]: step["found"] for step in request.certificate["certificate"]["stores"]}
    assert found["uploaded files"] == 1
    assert [bool(each.file) for each in FeedImport.objects.order_by("pk")] == [False, True]


def test_an_old_file_that_is_uploaded_after_the_erasure_is_not_kept(shopper: Shopper) -> None:
    erased()
    make_item("B")
    rows = f"item,external_id,rating,text,shopper\nA,r-8,4,By {TOKEN},{TOKEN}\nB,r-9,3,Fine,bob\n"
    kept: list[bool] = []
    for text in (rows, rows.replace(TOKEN, "ann")):
        upload = FeedImport.objects.create(
            content=FeedContent.REVIEWS, format="csv", file_name="old.csv"
        )
        upload.file.save("old.csv", ContentFile(text.encode()))
        run_feed_import(connection.schema_name, upload.pk)
        upload.refresh_from_db()
        assert (upload.status, upload.rows) == ("done", 2)
        kept.append(bool(upload.file))
    assert kept == [False, True]
    assert not Review.objects.filter(shopper=TOKEN).exists()


def test_a_replay_goes_on_where_something_is_left_of_one(shopper: Shopper) -> None:
    make_shopper("bob")
    put_up([("known", TOKEN), ("known", "bob")], timezone.now())
    FeedImport.objects.update(status="running")
    done = replay_erasures()
    assert (done.shoppers, done.unfinished) == (2, 1)
    assert not Identity.objects.exists()
    FeedImport.objects.update(status="done")
    assert run_waiting() == 1
    assert not FeedImport.objects.exclude(file="").exists()
