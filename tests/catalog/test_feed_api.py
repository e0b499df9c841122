"""POST /api/v1/feeds and the progress of an import, as a shop system sees them."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import encode_multipart

from catalog.models import FeedImport, FeedRowError, Item
from catalog.tasks import run_feed_import
from tests.conftest import ApiClient

if TYPE_CHECKING:
    from tests.conftest import Response

BOUNDARY = "a-boundary-of-the-tests"
FEED = b"id,title,price\nA,Tent,99\nB,Stove,bad\n=cmd()|' /C calc'!A0,Lamp,-1\n"


def upload(api: ApiClient, **fields: Any) -> "Response":
    body = encode_multipart(BOUNDARY, fields)
    return api.request(
        "POST",
        "/api/v1/feeds",
        body,
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    )


def feed_file(content: bytes = FEED, name: str = "feed.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def valid(**fields: Any) -> dict[str, Any]:
    return {
        "file": feed_file(), "format": "csv", "options": json.dumps({"currency": "EUR"}), **fields
    }  # fmt: skip


def uploaded(api: ApiClient, **fields: Any) -> FeedImport:
    answer = upload(api, **valid(**fields))
    assert answer.status_code == 202, answer.content
    return FeedImport.objects.get(pk=answer.json()["id"])


def run(api: ApiClient, feed_import: FeedImport) -> dict[str, Any]:
    run_feed_import(api.tenant.schema_name, feed_import.pk)
    answer: dict[str, Any] = api.get(f"/api/v1/feeds/{feed_import.pk}").json()
    return answer


def test_an_uploaded_feed_is_imported_and_its_progress_told(api: ApiClient) -> None:
    answer = upload(api, **valid(full="true"))
    assert answer.status_code == 202
    accepted = answer.json()
    assert (accepted["status"], accepted["file_name"]) == ("waiting", "feed.csv")
    feed_import = FeedImport.objects.get(pk=accepted["id"])
    assert feed_import.full is True

    progress = run(api, feed_import)
    assert progress["status"] == "done"
    assert (progress["rows"], progress["created"], progress["failed"]) == (3, 1, 2)
    assert progress["started_at"] <= progress["finished_at"]
    assert progress["errors"] == f"http://ours.localhost/api/v1/feeds/{feed_import.pk}/errors"
    assert list(Item.objects.values_list("external_id", flat=True)) == ["A"]


def test_the_error_report_is_a_csv_file_that_runs_nothing(api: ApiClient) -> None:
    feed_import = uploaded(api)
    run(api, feed_import)
    for number, start in enumerate("=+-@\t\r", start=100):
        FeedRowError.objects.create(
            feed_import=feed_import, row=number, external_id=f"{start}1+1", code="x", message="m",
            raw=f"{start}HYPERLINK(...)",
        )  # fmt: skip
    answer = api.get(f"/api/v1/feeds/{feed_import.pk}/errors")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    text = b"".join(answer).decode()
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["row"], row["code"]) for row in table[:2]] == [
        ("3", "invalid_number"), ("4", "negative_price"),
    ]  # fmt: skip
    assert len(table) == 8
    assert table[1]["external_id"].startswith("'=cmd()")
    for row in table:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell


def test_what_a_feed_changed_is_served_from_the_next_request_on(api: ApiClient) -> None:
    def served() -> dict[str, str]:
        items = api.get("/api/v1/recommendations", placement="home").json()["items"]
        return {item["title"]: item["offer"]["price"] for item in items}

    assert served() == {}
    run(api, uploaded(api, file=feed_file(b"id,title,price\nA,Tent,99\nB,Rope,7\n")))
    assert served() == {"Tent": "99.00", "Rope": "7.00"}
    run(api, uploaded(api, file=feed_file(b"id,title,price\nA,Big tent,98\n"), full="true"))
    assert served() == {"Big tent": "98.00"}


def test_a_long_error_report_holds_every_error_in_order(api: ApiClient) -> None:
    feed_import = uploaded(api)
    FeedRowError.objects.bulk_create(
        FeedRowError(feed_import=feed_import, row=number, code="x", message="m")
        for number in range(2_500)
    )
    answer = api.get(f"/api/v1/feeds/{feed_import.pk}/errors")
    lines = b"".join(answer).decode().splitlines()
    assert [line.split(",")[0] for line in lines] == ["row", *map(str, range(2_500))]


def test_an_uploaded_file_lies_in_the_tenants_own_folder(api: ApiClient) -> None:
    feed_import = uploaded(api, file=feed_file(name="../../../etc/feed.csv"))
    kept = Path(feed_import.file.path)
    assert kept.is_relative_to(Path(settings.MEDIA_ROOT) / api.tenant.schema_name)
    assert feed_import.file_name == "feed.csv"


@pytest.mark.parametrize(
    ("fields", "about"),
    [
        ({"file": None}, "file"),
        ({"format": None}, "format"),
        ({"format": "xlsx"}, "format"),
        ({"format": ""}, "format"),
        ({"columns": "{"}, "columns"),
        ({"columns": "[]"}, "columns"),
        ({"columns": '{"Name": 7}'}, "columns"),
        ({"columns": '{"Name": "tittle"}'}, "columns"),
        ({"columns": '{"Na\\u0000me": "title"}'}, "columns"),
        ({"options": "not json"}, "options"),
        ({"options": '{"colour": "red"}'}, "options"),
        ({"options": '{"currency": "EURO"}'}, "options"),
        ({"options": '{"currency": 7}'}, "options"),
        ({"options": '{"image_base": "\\u0000"}'}, "options"),
        ({"options": '{"moment": "2026-01-01"}'}, "options"),
        ({"options": '{"list_separator": ""}'}, "options"),
        ({"options": '{"a": ' * 500 + "1" + "}" * 500}, "options"),
        ({"options": "1" * 5_000}, "options"),
        ({"full": "perhaps"}, "full"),
    ],
)
def test_a_bad_upload_is_refused_at_once_and_keeps_nothing(
    api: ApiClient, fields: dict[str, Any], about: str
) -> None:
    given = {name: value for name, value in valid(**fields).items() if value is not None}
    answer = upload(api, **given)
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "invalid_feed"
    assert list(answer.json()["fields"]) == [about]
    assert not FeedImport.objects.exists()


def test_parts_of_the_wrong_sort_are_refused(api: ApiClient) -> None:
    as_text = upload(api, **valid(file="id,title\n"))
    assert (as_text.status_code, as_text.json()["code"]) == (400, "invalid_feed")
    for name in ("format", "columns", "options", "full"):
        as_file = upload(api, **valid(**{name: feed_file(b"{}", "x")}))
        assert (as_file.status_code, as_file.json()["code"]) == (400, "invalid_feed"), name


def test_a_body_that_is_no_form_is_refused(api: ApiClient) -> None:
    empty = api.client.generic(
        "POST", "/api/v1/feeds", headers={"Host": api.host, "Authorization": f"Bearer {api.key}"}
    )
    assert (empty.status_code, empty.json()["code"]) == (400, "invalid_feed")
    for kind, status in (
        ("application/json", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=x", 400),
        ("text/csv", 415),
    ):
        answer = api.request("POST", "/api/v1/feeds", b"nothing", headers={"Content-Type": kind})
        assert answer.status_code == status, (kind, answer.content)
        assert set(answer.json()) >= {"code", "detail"}


def test_a_form_of_a_thousand_fields_or_files_is_refused(api: ApiClient) -> None:
    many = {f"field{number}": "x" for number in range(1_100)}
    answer = upload(api, **valid(**many))
    assert answer.status_code == 400
    assert set(answer.json()) >= {"code", "detail"}
    files = {f"file{number}": feed_file(b"x") for number in range(110)}
    answer = upload(api, **valid(**files))
    assert answer.status_code == 400
    assert set(answer.json()) >= {"code", "detail"}


def test_a_field_of_eleven_megabytes_is_too_large_and_a_file_of_that_size_is_not(
    api: ApiClient,
) -> None:
    answer = upload(api, **valid(options="x" * 11_000_000))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    padding = b'"' + b"x" * 9_000 + b'"'
    lines = b"".join(b"I-%d,Item,1,%s\n" % (number, padding) for number in range(1_250))
    content = b"id,title,price,description\n" + lines
    assert len(content) > 11_000_000
    assert run(api, uploaded(api, file=feed_file(content)))["created"] == 1_250


@pytest.mark.parametrize("pk", ["0", "999999", str(2**63), "9" * 5_000])
def test_an_unknown_import_is_not_found(api: ApiClient, pk: str) -> None:
    for address in (f"/api/v1/feeds/{pk}", f"/api/v1/feeds/{pk}/errors"):
        answer = api.get(address)
        assert answer.status_code == 404
        assert set(answer.json()) >= {"code", "detail"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"id,title,price\nA,Caf\xe9,1\n", "wrong_encoding"),
        (b"", "empty_file"),
        (b'id,title,price\nA,"Tent,1\n', "unclosed_quote"),
    ],
)
def test_a_broken_file_is_accepted_and_then_reported_as_failed(
    api: ApiClient, content: bytes, code: str
) -> None:
    progress = run(api, uploaded(api, file=feed_file(content)))
    assert progress["status"] == "failed"
    assert code in progress["failure"]
    assert not Item.objects.exists()
