"""The admin of the catalog: finding and changing items, uploading feeds, reading their errors."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tenants.utils import get_public_schema_name, schema_context

from catalog import error_report
from catalog.models import FeedImport, FeedRowError, Item
from catalog.tasks import run_feed_import
from tenants.models import Tenant
from tests.make import make_item
from tests.staff import Browser, page_of, sign_in, text_of

ITEMS = page_of(Item, "changelist")
UPLOAD = page_of(FeedImport, "add")


def statements(staff: Browser, page: str) -> int:
    """How many SQL statements a page takes, search paths aside."""
    staff.get(page)  # fills the caches of the tenant, the session and the departments
    with CaptureQueriesContext(connection) as queries:
        assert staff.get(page).status_code == 200
    return sum(not query["sql"].startswith("SET search_path") for query in queries)


def titles(staff: Browser, **query: str) -> set[str]:
    """The titles that a list of items shows."""
    text = text_of(staff.get(ITEMS, query))
    return {item.title for item in Item.objects.all() if item.title in text}


def item_form(item: Item, **changes: str) -> dict[str, str]:
    """What the form of an item would send, with its offer."""
    return {
        "external_id": item.external_id,
        "kind": item.kind,
        "title": item.title,
        "available": "on",
        "category_path": "\n".join(item.category_path),
        "images": "\n".join(item.images),
        "attributes": "",
        "offer-TOTAL_FORMS": "1",
        "offer-INITIAL_FORMS": "1",
        "offer-0-item": str(item.pk),
        "offer-0-price": "10.00",
        "offer-0-currency": "EUR",
        "offer-0-stock": "10",
        **changes,
    }


def upload(staff: Browser, content: bytes, **fields: str) -> Any:
    form = {"format": "csv", "kind": "product", "currency": "EUR", "columns": "", **fields}
    return staff.post(UPLOAD, {**form, "file": SimpleUploadedFile("feed.csv", content)})


def test_the_list_of_items_takes_as_many_statements_for_many_items_as_for_few(
    tenant: Tenant,
) -> None:
    staff = sign_in(tenant)
    for _ in range(60):
        make_item(category_path=("Garden", "Tools"))
    few = statements(staff, ITEMS)
    for _ in range(60):
        make_item(category_path=("Garden", "Tools"))
    # The staff user; the estimate of the table, too small to go by; the count; the keys of the
    # page; its items with offers and embeddings.
    assert statements(staff, ITEMS) == few == 5


def test_items_are_found_by_the_start_of_their_id_or_words_of_their_title(tenant: Tenant) -> None:
    make_item("OAK-1", title="Oak table, round")
    make_item("OAK-2", title="Bench of beech")
    make_item("X-1", title="Table lamp 50% (blue)")
    staff = sign_in(tenant)
    assert titles(staff, q="OAK-") == {"Oak table, round", "Bench of beech"}
    assert titles(staff, q="tabl") == {"Oak table, round", "Table lamp 50% (blue)"}
    assert titles(staff, q="ROUND oak") == {"Oak table, round"}
    assert titles(staff, q="50% (") == {"Table lamp 50% (blue)"}
    assert titles(staff, q="no such thing") == set()


def test_items_are_narrowed_by_department_and_availability(tenant: Tenant) -> None:
    make_item(title="Spade", category_path=("Garden", "Tools"))
    make_item(title="Sold-out rake", category_path=("Garden", "Tools"), stock=0)
    make_item(title="Withdrawn kettle", category_path=("Kitchen",), available=False)
    make_item(title="Archived mug", category_path=("Kitchen",), archived_at=timezone.now())
    staff = sign_in(tenant)
    assert titles(staff, department="Garden") == {"Spade", "Sold-out rake"}
    assert titles(staff, availability="available") == {"Spade"}
    assert titles(staff, availability="sold_out") == {"Sold-out rake"}
    assert titles(staff, availability="unavailable") == {"Withdrawn kettle"}
    assert titles(staff, availability="archived") == {"Archived mug"}
    assert titles(staff, embedding="current") == set()
    assert len(titles(staff, embedding="waiting")) == 4


@pytest.mark.parametrize(
    "address",
    ["https://cdn.example.com/a.jpg", "/media/a.jpg", "data:image/svg+xml,%3Csvg/%3E"],
)
def test_the_first_picture_of_an_item_is_shown(tenant: Tenant, address: str) -> None:
    item = make_item(images=["javascript:alert(1)", address])
    staff = sign_in(tenant)
    for page in (ITEMS, page_of(item)):
        text = text_of(staff.get(page))
        assert f'src="{address}"' in text
        assert 'src="javascript' not in text


def test_an_item_and_its_offer_are_changed(tenant: Tenant) -> None:
    item = make_item("A", title="Old", images=["data:image/svg+xml,%3Csvg/%3E"])
    before = item.offer.refreshed_at
    form = item_form(
        item,
        **{
            "title": "New",
            "category_path": " Home, Garden \n\nTools",
            "attributes": '{"color": "blue"}',
            "offer-0-price": "12.5",
            "offer-0-sale_price": "9",
            "offer-0-currency": "usd",
        },
    )
    assert sign_in(tenant).post(page_of(item), form).status_code == 302
    item = Item.objects.get(pk=item.pk)
    assert item.title == "New"
    assert item.category_path == ["Home, Garden", "Tools"]
    assert item.images == ["data:image/svg+xml,%3Csvg/%3E"], "its comma parts nothing"
    assert item.attributes == {"color": "blue"}
    assert (item.offer.price, item.offer.sale_price) == (Decimal("12.5"), Decimal("9"))
    assert item.offer.currency == "USD"
    assert item.offer.refreshed_at > before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("attributes", "[1]"),
        ("attributes", '{"a": NaN}'),
        ("attributes", '{"a": "\\u0000"}'),
        ("attributes", '{"a": "\\ud800"}'),
        ("attributes", '{"a": ' + "9" * 5000 + "}"),
        ("attributes", "[" * 100_000),
        ("images", "x" * 2001),
        ("offer-0-price", "-1"),
        ("offer-0-price", "NaN"),
        ("offer-0-sale_price", "11"),
        ("offer-0-stock", "-1"),
        ("offer-0-currency", "XXX"),
    ],
)
def test_a_bad_value_is_refused_in_words_and_changes_nothing(
    tenant: Tenant, field: str, value: str
) -> None:
    item = make_item("A", title="Old")
    response = sign_in(tenant).post(
        page_of(item), item_form(item, **{"title": "New", field: value})
    )
    assert response.status_code == 200
    assert "Please correct the error" in text_of(response)
    assert Item.objects.get().title == "Old"


def test_items_are_archived_and_brought_back_but_never_deleted(tenant: Tenant) -> None:
    item = make_item()
    staff = sign_in(tenant)
    staff.post(ITEMS, {"action": "archive_items", "_selected_action": [item.pk]})
    assert not Item.objects.recommendable().exists()
    staff.post(ITEMS, {"action": "bring_items_back", "_selected_action": [item.pk]})
    assert Item.objects.recommendable().exists()
    assert staff.post(page_of(item, "delete"), {"post": "yes"}).status_code == 403
    staff.post(ITEMS, {"action": "delete_selected", "_selected_action": [item.pk], "post": "yes"})
    assert Item.objects.filter(pk=item.pk).exists()


def test_an_uploaded_feed_is_imported_after_the_commit(
    tenant: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    staff = sign_in(tenant)
    content = "Nr;Was;Preis\nA;Tisch;1.299,00\nB;Bank;-4\n".encode("cp1252")
    with django_capture_on_commit_callbacks() as callbacks:
        response = upload(
            staff,
            content,
            columns='{"Nr": "external_id", "Was": "title", "Preis": "price"}',
            decimal_comma="on",
            price_required="on",
            encoding="cp1252",
        )
    feed_import = FeedImport.objects.get()
    assert response.status_code == 302
    assert response["Location"] == page_of(feed_import)
    assert len(callbacks) == 1, "the task is queued once"
    assert feed_import.file_name == "feed.csv"

    waiting = text_of(staff.get(page_of(feed_import)))
    assert "waits for a worker" in waiting
    assert "every 2s" in waiting

    run_feed_import(tenant.schema_name, feed_import.pk)
    done = text_of(staff.get(page_of(feed_import)))
    assert "The amount is negative." in done
    assert "every 2s" not in done, "there is nothing left to wait for"
    assert Item.objects.get(external_id="A").offer.price == Decimal(1299)


@pytest.mark.parametrize(
    ("content", "fields", "says"),
    [
        (b"", {}, "empty"),
        (b"name,prize\nA,1\n", {"columns": '{"sku": "external_id"}'}, "lacks: sku"),
        (b"id,title,price\nA,\xff\xfe\xfa,1\n", {}, "UTF-8"),
        (b"<html></html>", {"format": "google_xml"}, ""),
        (b"no json", {"format": "jsonl"}, ""),
        (b"id,title,price\nA,B,1\n", {"columns": '{"id": "nonsense"}'}, "not a field"),
        (b"id,title,price\nA,B,1\n", {"columns": '{"id": 7}'}, "names a field"),
        (b"id,title,price\nA,B,1\n", {"columns": "{"}, "JSON"),
        (b"id,title,price\nA,B,1\n", {"currency": "XYZ"}, "XYZ"),
        (b"id,title,price\nA,B,1\n", {"encoding": "rot13"}, "rot13"),
        (b"id,title,price\nA,B,1\n", {"format": "excel"}, "valid choice"),
    ],
)
def test_a_bad_upload_is_refused_at_once_and_says_why(
    tenant: Tenant, content: bytes, fields: dict[str, str], says: str
) -> None:
    response = upload(sign_in(tenant), content, **fields)
    assert response.status_code == 200
    assert "Please correct the error" in text_of(response)
    assert says in text_of(response)
    assert not FeedImport.objects.exists()


def test_the_errors_of_an_import_are_a_csv_that_runs_nothing(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_report, "BATCH", 2)
    feed_import = FeedImport.objects.create(format="csv", file_name="a.csv", failed=3)
    other = FeedImport.objects.create(format="csv", file_name="b.csv", failed=1)
    for row in (2, 3, 4):
        FeedRowError.objects.create(
            feed_import=feed_import, row=row, code="missing_price", message="m", raw='=1+1,"x"'
        )
    FeedRowError.objects.create(feed_import=other, row=9, code="missing_id", message="m")
    staff = sign_in(tenant)
    response: Any = staff.get(page_of(feed_import, "errors"))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in response["Content-Disposition"]
    # As a server does: the lines are read when the request has left the tenant's schema.
    with schema_context(get_public_schema_name()):
        lines = b"".join(response.streaming_content).decode().splitlines()
    assert lines[0] == "row,external_id,field,code,message,raw"
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "3", "4"]
    assert lines[1].endswith('"\'=1+1,""x"""')
    assert staff.get(f"{page_of(FeedImport, 'changelist')}999999/errors/").status_code == 404


def test_a_failed_import_is_run_again_and_a_finished_one_is_not(
    tenant: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    staff = sign_in(tenant)
    upload(staff, b"id,title,price\nA,B,1\n")
    feed_import = FeedImport.objects.get()
    for status, queued in ((FeedImport.Status.FAILED, 1), (FeedImport.Status.DONE, 0)):
        FeedImport.objects.update(status=status)
        assert ("Run again" in text_of(staff.get(page_of(feed_import)))) is bool(queued)
        with django_capture_on_commit_callbacks() as callbacks:
            staff.get(page_of(feed_import, "run-again"))
        assert not callbacks, "looking at the question is not an answer"
        with django_capture_on_commit_callbacks() as callbacks:
            staff.post(page_of(feed_import, "run-again"), {"_form_submitted": "on"})
        assert len(callbacks) == queued


def test_row_errors_are_listed_by_import_and_code(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    for name in ("first", "second"):
        feed_import = FeedImport.objects.create(format="csv", file_name=name, failed=1)
        FeedRowError.objects.create(
            feed_import=feed_import, row=2, code="missing_id", message=f"Row of {name}"
        )
    errors = page_of(FeedRowError, "changelist")
    listed = text_of(staff.get(errors, {"feed_import__id__exact": str(feed_import.pk)}))
    assert "Row of second" in listed
    assert "Row of first" not in listed
    assert "Row of" not in text_of(staff.get(errors, {"code": "missing_price"}))
