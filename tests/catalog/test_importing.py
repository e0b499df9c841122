"""From a feed to the catalog: all good rows, or nothing of a file that is broken."""

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import pytest
from django.core.files.base import ContentFile
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog import importing
from catalog.importing import run_import
from catalog.models import FeedFormat, FeedImport, FeedRowError, Item, Offer
from catalog.tasks import run_feed_import
from tenants.models import Tenant
from tests.conftest import TenantPair
from tests.threads import at_once

HEADER = "id,title,price,stock,category\n"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
EURO: dict[str, Any] = {"currency": "EUR"}


def rows(*lines: str) -> bytes:
    return (HEADER + "".join(f"{line}\n" for line in lines)).encode()


def imported(
    content: bytes, *, feed_format: str = FeedFormat.CSV, full: bool = False, **options: Any
) -> FeedImport:
    feed_import = FeedImport.objects.create(
        format=feed_format, file_name="feed", options={**EURO, **options}, full=full
    )
    run_import(feed_import, io.BytesIO(content))
    feed_import.refresh_from_db()
    return feed_import


def counts(feed_import: FeedImport) -> dict[str, int]:
    names = ("rows", "created", "updated", "unchanged", "archived", "failed")
    return {name: number for name in names if (number := getattr(feed_import, name))}


def listed() -> set[str]:
    return set(Item.objects.filter(archived_at=None).values_list("external_id", flat=True))


def errors(feed_import: FeedImport) -> list[tuple[int, str, str]]:
    return list(feed_import.row_errors.values_list("row", "external_id", "code"))


def test_a_feed_is_imported_and_importing_it_again_changes_nothing(tenant: Tenant) -> None:
    feed = rows("A,Tent,99.90,3,Camping > Tents", "B,Stove,49,,Camping", "C,Lamp,5.5,0,")
    first = imported(feed)
    assert first.status == FeedImport.Status.DONE
    assert counts(first) == {"rows": 3, "created": 3}
    tent = Item.objects.select_related("offer").get(external_id="A")
    assert (tent.title, tent.category_path) == ("Tent", ["Camping", "Tents"])
    assert (tent.offer.price, tent.offer.currency, tent.offer.stock) == (
        Decimal("99.9"), "EUR", 3
    )  # fmt: skip

    Item.objects.update(updated_at=LONG_AGO)
    again = imported(feed)
    assert counts(again) == {"rows": 3, "unchanged": 3}
    assert not Item.objects.exclude(updated_at=LONG_AGO).exists()


def test_what_changed_is_told_from_what_did_not(tenant: Tenant) -> None:
    imported(rows("A,Tent,99,3,", "B,Stove,49,,", "C,Lamp,5,,", "D,Rope,7,,"))
    Item.objects.update(updated_at=LONG_AGO)
    again = imported(rows("A,Tent,99,3,", "B,Gas stove,49,,", "C,Lamp,4,,", "E,Axe,20,,"))
    # B has another title and C another price; D is not in this feed, which is not a full one.
    assert counts(again) == {"rows": 4, "created": 1, "updated": 2, "unchanged": 1}
    touched = Item.objects.exclude(updated_at=LONG_AGO).values_list("external_id", flat=True)
    assert set(touched) == {"B", "E"}, "a price is no text, so its item is not embedded anew"
    assert listed() == {"A", "B", "C", "D", "E"}


def test_offers_are_refreshed_also_where_they_are_the_same(tenant: Tenant) -> None:
    feed = rows("A,Tent,99,3,")
    imported(feed)
    Offer.objects.update(refreshed_at=LONG_AGO)
    imported(feed)
    assert Offer.objects.get().refreshed_at > LONG_AGO
    imported(rows("A,Tent,89,1,"))
    offer = Offer.objects.get()
    assert (offer.price, offer.stock) == (Decimal(89), 1)


def test_a_full_feed_archives_what_it_does_not_list_and_brings_back_what_it_does(
    tenant: Tenant,
) -> None:
    imported(rows("A,Tent,99,,", "B,Stove,49,,", "C,Lamp,5,,"))
    full = imported(rows("A,Tent,99,,", "B,Stove,49,,"), full=True)
    assert counts(full) == {"rows": 2, "unchanged": 2, "archived": 1}
    assert listed() == {"A", "B"}
    assert counts(imported(rows("A,Tent,99,,", "B,Stove,49,,"), full=True)) == {
        "rows": 2, "unchanged": 2,
    }  # fmt: skip

    back = imported(rows("C,Lamp,5,,"))
    assert counts(back) == {"rows": 1, "updated": 1}
    assert listed() == {"A", "B", "C"}


def test_a_full_feed_does_not_archive_an_item_whose_row_was_bad(tenant: Tenant) -> None:
    imported(rows("A,Tent,99,,", "B,Stove,49,,", "C,Lamp,5,,"))
    full = imported(rows("A,Tent,99,,", "B,Stove,a lot,,"), full=True)
    assert counts(full) == {"rows": 2, "unchanged": 1, "archived": 1, "failed": 1}
    assert listed() == {"A", "B"}
    assert errors(full) == [(3, "B", "invalid_number")]


@pytest.mark.parametrize("lines", [(), ("A,Tent,a lot,,",), ("A,,99,,", ",Tent,1,,")])
def test_a_full_feed_without_a_good_row_archives_nothing(
    tenant: Tenant, lines: tuple[str, ...]
) -> None:
    imported(rows("A,Tent,99,,", "B,Stove,49,,"))
    full = imported(rows(*lines), full=True)
    assert full.archived == 0
    assert listed() == {"A", "B"}


def test_a_feed_row_without_a_price_is_reported_and_the_rest_imported(tenant: Tenant) -> None:
    done = imported(rows("A,Tent,,,", "B,Stove,49,,", "C,Lamp,-5,,", "D,,1,,", "E,Rope,1,-2,"))
    assert done.status == FeedImport.Status.DONE
    assert counts(done) == {"rows": 5, "created": 1, "failed": 4}
    assert listed() == {"B"}
    assert errors(done) == [
        (2, "A", "missing_price"),
        (4, "C", "negative_price"),
        (5, "D", "missing_title"),
        (6, "E", "negative_stock"),
    ]


def test_of_two_rows_with_one_id_the_first_counts_and_the_second_is_reported(
    tenant: Tenant,
) -> None:
    done = imported(rows("A,Tent,99,,", "A,Palace,1,,", "B,Stove,49,,"))
    assert counts(done) == {"rows": 3, "created": 2, "failed": 1}
    assert Item.objects.get(external_id="A").title == "Tent"
    assert errors(done) == [(3, "A", "duplicate_id")]


def test_a_row_with_several_faults_is_one_bad_row_with_several_errors(tenant: Tenant) -> None:
    done = imported(rows("A,,-1,many,"))
    assert (done.rows, done.failed) == (1, 1)
    assert {code for _, _, code in errors(done)} == {
        "missing_title", "negative_price", "invalid_number",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        (b"", {}, "empty_file"),
        (rows("B,Caf\xe9,1,,").decode().encode("cp1252"), {}, "wrong_encoding"),
        (b"PK\x03\x04rest of a workbook", {}, "unknown_format"),
        (b"alpha,beta\n1,2\n", {}, "no_header"),
        (b"id,title\nA,Tent\n", {}, "missing_columns"),
        (rows('A,"Tent,1,,', "B,Stove,2,,"), {}, "unclosed_quote"),
        (rows("A,Tent,1,,"), {"encoding": "utf-99"}, "invalid_options"),
    ],
)
def test_a_file_that_cannot_be_read_changes_nothing_and_says_why(
    tenant: Tenant, content: bytes, options: dict[str, Any], code: str
) -> None:
    imported(rows("OLD,Old,1,,"))
    broken = imported(content, full=True, **options)
    assert broken.status == FeedImport.Status.FAILED
    assert code in broken.failure
    assert broken.finished_at is not None
    assert (broken.created, broken.updated, broken.archived) == (0, 0, 0)
    assert listed() == {"OLD"}


def test_a_file_that_breaks_in_the_middle_changes_nothing(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)
    good = rows(*(f"I-{number},Item {number},1,," for number in range(55)))
    broken = imported(good + b"Z,\xff\xfe broken,1,,\n", full=True)
    assert broken.status == FeedImport.Status.FAILED
    assert "wrong_encoding" in broken.failure
    assert listed() == set()

    mended = imported(good, full=True)
    assert counts(mended) == {"rows": 55, "created": 55}

    xml = b"<rss xmlns:g='http://base.google.com/ns/1.0'><channel>" + b"".join(
        b"<item><g:id>%d</g:id><title>T</title><g:price>1 EUR</g:price></item>" % number
        for number in range(30)
    )
    cut = imported(xml, feed_format=FeedFormat.GOOGLE_XML, full=True)
    assert (cut.status, "broken_xml" in cut.failure) == (FeedImport.Status.FAILED, True)
    assert len(listed()) == 55


@pytest.mark.parametrize(
    ("feed_format", "content"),
    [
        (FeedFormat.CSV, rows("A,Tent,10,,")),
        (
            FeedFormat.JSONL,
            json.dumps({"id": "A", "title": "Tent", "price": 10, "currency": "EUR"}).encode(),
        ),
        (FeedFormat.GOOGLE_TSV, b"id\ttitle\tprice\nA\tTent\t10 EUR\n"),
        (
            FeedFormat.GOOGLE_XML,
            b"<rss xmlns:g='http://base.google.com/ns/1.0'><channel><item><g:id>A</g:id>"
            b"<title>Tent</title><g:price>10 EUR</g:price></item></channel></rss>",
        ),
        (
            FeedFormat.SHOPIFY_CSV,
            b"Handle,Title,Variant SKU,Variant Price\ntent,Tent,A,10\n",
        ),
    ],
)
def test_every_format_leads_to_the_same_item(
    tenant: Tenant, feed_format: str, content: bytes
) -> None:
    done = imported(content, feed_format=feed_format)
    assert counts(done) == {"rows": 1, "created": 1}, list(FeedRowError.objects.values())
    item = Item.objects.select_related("offer").get()
    assert (item.external_id, item.title) == ("A", "Tent")
    assert (item.offer.price, item.offer.currency) == (Decimal(10), "EUR")


def test_memory_and_statements_grow_with_batches_and_not_with_rows(tenant: Tenant) -> None:
    def statements(number: int) -> int:
        feed = rows(*(f"R-{row},Row {row},1,," for row in range(number)))
        with CaptureQueriesContext(connection) as queries:
            imported(feed)
        return len(queries)

    statements(1)
    assert statements(10) == statements(900)


def test_a_failed_import_that_is_run_again_tells_of_the_second_run_only(tenant: Tenant) -> None:
    feed_import = FeedImport.objects.create(
        format="csv",
        file_name="feed.csv",
        file=ContentFile(rows("A,Tent,99,,", "B,Stove,bad,,"), name="feed.csv"),
        options=EURO,
    )
    FeedRowError.objects.create(feed_import=feed_import, row=9, code="x", message="of old")
    FeedImport.objects.update(
        status="failed", failure="The import was interrupted.", rows=7, failed=3, updated=4
    )
    run_feed_import(tenant.schema_name, feed_import.pk)
    feed_import.refresh_from_db()
    assert (feed_import.status, feed_import.failure) == ("done", "")
    assert counts(feed_import) == {"rows": 2, "created": 1, "failed": 1}
    assert [code for _, _, code in errors(feed_import)] == ["invalid_number"]

    run_feed_import(tenant.schema_name, feed_import.pk)
    feed_import.refresh_from_db()
    assert counts(feed_import) == {"rows": 2, "created": 1, "failed": 1}, "done is done"


def test_an_import_whose_merge_fails_says_so_and_counts_nothing(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed_import = FeedImport.objects.create(format="csv", file_name="f", options=EURO, full=True)

    def break_an_offer(feed_import: FeedImport, stream: BinaryIO, intake: Any) -> None:
        stage(feed_import, stream, intake)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE feed_rows SET price = -1")

    stage = importing._stage
    monkeypatch.setattr(importing, "_stage", break_an_offer)
    with pytest.raises(IntegrityError, match="violates"):
        run_import(feed_import, io.BytesIO(rows("A,Tent,99,,")))
    feed_import.refresh_from_db()
    assert feed_import.status == FeedImport.Status.FAILED
    assert counts(feed_import) == {"rows": 1}
    assert feed_import.failure
    assert listed() == set()


def test_imports_at_once_take_turns(committed: TenantPair) -> None:
    """Each in an order of its own, so that without turns they would lock each other's rows."""
    names = [f"I-{number:03}" for number in range(300)]

    def run(turn: int) -> None:
        lines = [f"{name},Title {turn},{turn + 1},," for name in names[turn:] + names[:turn]]
        if turn % 2:
            lines.reverse()
        assert imported(rows(*lines), full=True).status == FeedImport.Status.DONE

    at_once(*[lambda turn=turn: run(turn) for turn in range(5)])
    assert len(listed()) == 300
    titles = set(Item.objects.values_list("title", "offer__price"))
    assert len(titles) == 1, "one import's offers belong to the same import's items"


cells = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\r\n", exclude_categories=["Cs"]),
    max_size=12,
)


def test_whatever_a_row_says_the_good_rows_around_it_are_imported(tenant: Tenant) -> None:
    @settings(max_examples=25, deadline=None)
    @given(cells=st.lists(cells, min_size=5, max_size=5))
    def check(cells: list[str]) -> None:
        Item.objects.all().delete()
        odd = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
        done = imported(rows("A,Tent,99,,", odd, "B,Stove,49,,"))
        assert done.status == FeedImport.Status.DONE, done.failure
        assert {"A", "B"} <= listed()
        assert done.rows == done.created + done.failed

    check()
