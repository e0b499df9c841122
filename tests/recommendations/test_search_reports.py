"""The admin of searches: reports by query, as a page and a file, and synonyms from them."""

import csv
import io
from datetime import timedelta

from django.utils import timezone

from catalog.search.synonyms import synonyms_in
from catalog.search_models import SearchSynonym
from recommendations.search_models import Search
from recommendations.searching import log
from recommendations.searching.reports import Report, query_report
from tenants.models import Tenant
from tests.staff import sign_in, text_of

REPORTS = "/admin/recommendations/search/reports/"
SYNONYMS = "/admin/catalog/searchsynonym/"


def searched(text: str, times: int, *, results: int = 3, clicks: int = 0, days: int = 0) -> None:
    """Some searches, of which as many as `clicks` led on."""
    Search.objects.bulk_create(
        Search(
            searched_at=timezone.now() - timedelta(days=days),
            text=text,
            folded=log.normal(text),
            results=results,
            clicks=int(number < clicks),
            sort="relevance",
            latency_ms=1,
        )
        for number in range(times)
    )


def queries(report: Report) -> list[str]:
    now = timezone.now()
    rows = query_report(report, now - timedelta(days=30), now + timedelta(days=1), limit=50)
    return [row.query for row in rows]


def test_each_report_lists_the_queries_it_is_about(tenant: Tenant) -> None:
    searched("Jacket", 8, clicks=6)
    searched("JACKET ", 2)
    searched("anorak", 7, results=0)
    searched("scarf", 6)
    searched("rare", 2)
    searched("old", 20, days=60)
    assert queries(Report.TOP) == ["jacket", "anorak", "scarf", "rare"]
    assert queries(Report.NO_RESULTS) == ["anorak"]
    assert queries(Report.FEW_CLICKS) == ["scarf"], "enough searches, results, and no clicks"

    now = timezone.now()
    row = query_report(Report.TOP, now - timedelta(days=1), now + timedelta(days=1), limit=1)[0]
    assert (row.searches, row.clicks, row.clicked, row.results) == (10, 6, 0.6, 3.0)


def test_what_was_widened_counts_as_not_found(tenant: Tenant) -> None:
    searched("trainers", 3)
    Search.objects.update(rescues=["popular"])
    assert queries(Report.NO_RESULTS) == ["trainers"]


def test_later_pages_are_no_searches_of_their_own(tenant: Tenant) -> None:
    searched("jacket", 3)
    Search.objects.filter(pk=Search.objects.first().pk).update(offset=24)  # type: ignore[union-attr]
    now = timezone.now()
    [row] = query_report(Report.TOP, now - timedelta(days=1), now + timedelta(days=1), limit=9)
    assert row.searches == 2


def test_a_report_is_a_page_and_a_file_and_offers_a_synonym(tenant: Tenant) -> None:
    searched("anorak", 7, results=0)
    searched("=1+1", 6, results=0)
    staff = sign_in(tenant)
    page = text_of(staff.get(f"{REPORTS}?report=no-results"))
    assert "anorak" in page
    assert f"{SYNONYMS}add/?words=anorak" in page
    assert 'value="anorak"' in text_of(staff.get(f"{SYNONYMS}add/?words=anorak"))

    response = staff.get(f"{REPORTS}?report=no-results&format=csv")
    assert response["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(text_of(response))))
    assert [row["query"] for row in rows] == ["anorak", "'=1+1"], "no spreadsheet runs it"
    assert rows[0]["without_results"] == "1.0000"

    outside = text_of(staff.get(f"{REPORTS}?report=no-results&from=2020-01-01&to=2020-01-31"))
    assert "anorak" not in outside
    for odd in ("?report=other", "?from=x&to=2026-99-99", "?from=0001-01-01", "?from=9999-12-31"):
        assert staff.get(f"{REPORTS}{odd}").status_code == 200


def test_reports_are_for_those_who_may_see_searches(tenant: Tenant) -> None:
    may = sign_in(tenant, "analyst", permissions=("recommendations.view_search",))
    searched("anorak", 2)
    page = text_of(may.get(REPORTS))
    assert "anorak" in page
    assert "Add synonym" not in page
    may_not = sign_in(tenant, "other", permissions=("catalog.view_item",))
    assert may_not.get(REPORTS).status_code == 403


def test_synonyms_are_kept_one_by_one_or_as_a_list(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    staff.post(
        f"{SYNONYMS}add/",
        {"words": "anorak", "alternatives": "jacket, parka", "two_way": "on", "active": "on"},
    )
    assert synonyms_in("anorak") == (("anorak", ("jacket", "parka")),)
    alone = {"words": "hat", "alternatives": "Hat", "two_way": "on", "active": "on"}
    assert "stand for itself" in text_of(staff.post(f"{SYNONYMS}add/", alone))

    address = next(
        part.split('"')[0]
        for part in text_of(staff.get(SYNONYMS)).split('="')
        if part.startswith(SYNONYMS) and "import" in part.split('"')[0]
    )

    def imports(lines: str) -> str:
        return text_of(staff.post(address, {"lines": lines, "_form_submitted": "True"}))

    wrong = imports("sneakers, trainers\nalone")
    assert "Line 2" in wrong
    assert SearchSynonym.objects.count() == 1, "a list is imported whole or not at all"
    imports("sneakers, trainers\nanorak => coat")
    assert SearchSynonym.objects.count() == 2
    assert synonyms_in("anorak") == (("anorak", ("coat",)),)
