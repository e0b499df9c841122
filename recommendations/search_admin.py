"""The admin of what was searched for: every search, and the reports on queries."""

from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from unfold.contrib.filters.admin import BooleanRadioFilter

from recommendations.search_models import Search
from recommendations.searching.log import normal
from recommendations.searching.reports import Report, as_csv, query_report
from tenants.audit import About, Verb, record
from tenants.pages import DayRangeFilter, LongListAdmin, ReadOnlyAdmin, action, display

SHOWN = 200
EXPORTED = 100_000
DAYS = 30

TITLES = {
    Report.TOP: ("Most searched", "What shoppers look for most."),
    Report.NO_RESULTS: (
        "Nothing found",
        "Searches that found nothing as they were asked: words to add a synonym for, or items to"
        " list.",
    ),
    Report.FEW_CLICKS: (
        "Found and left",
        "Results that hardly anybody opens: at least five searches, fewer than one in ten led on.",
    ),
}


@admin.register(Search)
class SearchAdmin(ReadOnlyAdmin[Search], LongListAdmin[Search]):
    """Every search. Whose it was is shown to nobody here: `shopper` is for access and erasure."""

    list_display = (
        *("typed", "searched_at", "results", "widened", "clicks", "understood_list"),
        *("personalized", "latency"),
    )
    list_filter = (("searched_at", DayRangeFilter), ("personalized", BooleanRadioFilter))
    list_filter_submit = True
    search_fields = ("folded",)  # searched by `get_search_results`
    search_help_text = "Start of the query"
    ordering = ("-searched_at",)
    sortable_by = ()
    actions_list = ("open_reports",)
    fields = (
        ("text", "searched_at", "language"),
        ("results", "rescues", "corrected"),
        ("understood", "filters"),
        ("sort", "offset", "personalized"),
        ("fallbacks", "latency_ms", "clicks"),
    )

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()
        view = self.admin_site.admin_view(self.report)
        return [path("reports/", view, name="recommendations_search_reports"), *urls]

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        start = normal(search_term)
        return (queryset.filter(folded__startswith=start) if start else queryset), False

    @action(description="Reports", url_path="open-reports", permissions=["view"], icon="insights")
    def open_reports(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=302, headers={"Location": reports_address()})

    def report(self, request: HttpRequest) -> HttpResponse:
        """A report as a page, or with `format=csv` as a file. Days that are none are left out."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.GET.get("report", "")
        report = Report(asked) if asked in set(Report) else Report.TOP
        today = timezone.localdate()
        until = parsed_day(request.GET.get("to")) or today
        since = parsed_day(request.GET.get("from")) or until - timedelta(days=DAYS - 1)
        span = midnight(since), midnight(until) + timedelta(days=1)
        title, words = TITLES[report]
        if request.GET.get("format") == "csv":
            about = About("recommendations.search", label=f"report: {title}")
            record(Verb.EXPORTED, about, after={"from": str(since), "to": str(until)})
            return HttpResponse(
                as_csv(query_report(report, *span, limit=EXPORTED)),
                content_type="text/csv; charset=utf-8",
                headers={
                    "Content-Disposition": f'attachment; filename="searches-{report}-{until}.csv"'
                },
            )
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "words": words,
            "report": report,
            "reports": [(each, name) for each, (name, _) in TITLES.items()],
            "since": since,
            "until": until,
            "rows": query_report(report, *span, limit=SHOWN),
            "may_add_synonym": request.user.has_perm("catalog.add_searchsynonym"),
            "csv_query": urlencode({"report": report, "from": since, "to": until, "format": "csv"}),
        }
        return TemplateResponse(request, "admin/recommendations/search/report.html", context)

    @display(description="Query")
    def typed(self, search: Search) -> str:
        return search.text or "(everything)"

    @display(description="Widened", label="warning")
    def widened(self, search: Search) -> list[str]:
        return [rescue.replace("_", " ") for rescue in search.rescues]

    @display(description="Understood")
    def understood_list(self, search: Search) -> str:
        return ", ".join(search.understood)

    @display(description="Latency")
    def latency(self, search: Search) -> str:
        return f"{search.latency_ms:,.1f} ms"


def reports_address() -> str:
    return reverse("admin:recommendations_search_reports")


def parsed_day(text: str | None) -> Any:
    """The day that a text names; None for any other."""
    try:
        day = parse_date(text or "")
    except ValueError:
        return None
    return day if day is not None and 2000 <= day.year < 2200 else None


def midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
