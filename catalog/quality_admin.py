"""The admin of quality: the report with the items to mend, doubtful spellings, the policy, and
reviews."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RadioFilter,
    RangeNumericFilter,
)

from catalog.item_filters import DepartmentFilter
from catalog.item_search import find_items
from catalog.models import Item, Review
from catalog.quality.checks import CHECKS
from catalog.quality.models import ItemQuality, QualityIssue, QualityPolicy
from catalog.quality.report import (
    catalog_report,
    flawed_items_csv,
    flaws_now,
    found_in_words,
    score_now,
    with_flaw,
)
from catalog.quality.vocabulary import column_map_of
from catalog.quality_form import POINT_FIELDS, QualityPolicyForm, points_field
from catalog.reviews import refresh_ratings
from catalog.tasks import check_whole_catalog
from tenants.audit import About, Verb, record
from tenants.pages import (
    NO_VALUE,
    LongListAdmin,
    ModelAdmin,
    ReadOnlyAdmin,
    change_address,
    display,
    link,
)
from tenants.tasks import current_schema


class CheckFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    title = "check"
    parameter_name = "check"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(check.code, check.title) for check in CHECKS.values()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ItemQuality]
    ) -> QuerySet[ItemQuality]:
        code = self.value()
        return with_flaw(queryset, code, timezone.now()) if code in CHECKS else queryset


class ItemDepartmentFilter(DepartmentFilter):
    """The department of the item that a quality is of."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        return queryset.filter(item__category_path__contains=[name]) if name else queryset


@admin.register(ItemQuality)
class ItemQualityAdmin(ReadOnlyAdmin[ItemQuality], LongListAdmin[ItemQuality]):
    """The report: what the catalog lacks most, and the items to mend, the worst first."""

    list_before_template = "admin/catalog/itemquality/report.html"
    list_display = ("item_to_mend", "category", "score_of_now", "what_to_mend")
    list_display_links = None
    list_select_related = ("item__offer",)
    list_filter = (CheckFilter, ItemDepartmentFilter, ("score", RangeNumericFilter))
    list_filter_submit = True
    search_fields = ("item__external_id", "item__title")  # searched by `get_search_results`
    search_help_text = "Start of the external id, or words of the title"
    ordering = ("score", "item")
    fields = ("item_to_mend", "score_of_now", "what_to_mend", "checked_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ItemQuality]:
        return super().get_queryset(request).filter(item__archived_at=None)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ItemQuality], search_term: str
    ) -> tuple[QuerySet[ItemQuality], bool]:
        text = search_term.strip()
        if text:
            queryset = queryset.filter(item__in=find_items(Item.objects.all(), text))
        return queryset, False

    def get_urls(self) -> list[URLPattern]:
        export = path(
            "export/", self.admin_site.admin_view(self.export), name="catalog_itemquality_export"
        )
        return [export, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        category = request.GET.get("department", "")[:200].replace("\x00", "")
        context = {
            "report": catalog_report(timezone.now(), category=category),
            "category": category,
            "chosen": request.GET.get("check", ""),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """The items of a department, of a check, or all, with every flaw, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        code = request.GET.get("check", "")
        record(Verb.EXPORTED, About("catalog.itemquality", label="catalog quality"))
        lines = flawed_items_csv(
            timezone.now(),
            schema=current_schema(),
            category=request.GET.get("department", "").replace("\x00", ""),
            code=code if code in CHECKS else "",
        )
        return StreamingHttpResponse(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="catalog-quality.csv"'},
        )

    @display(description="Item", ordering="item__title")
    def item_to_mend(self, quality: ItemQuality) -> SafeString:
        item = quality.item
        return format_html(
            '{}<br><span class="attune-quiet">{}</span>',
            link(change_address(item), item.title),
            item.external_id,
        )

    @display(description="Category")
    def category(self, quality: ItemQuality) -> str:
        return " › ".join(quality.item.category_path) or NO_VALUE

    @display(description="Score", ordering="score")
    def score_of_now(self, quality: ItemQuality) -> SafeString:
        score = score_now(quality, timezone.now())
        return format_html(
            '<span class="attune-bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none"'
            ' aria-hidden="true"><rect width="{}" height="8"></rect></svg><b>{}</b></span>',
            score,
            score,
        )

    @display(description="To mend")
    def what_to_mend(self, quality: ItemQuality) -> SafeString | str:
        known = [CHECKS[code] for code in flaws_now(quality, timezone.now()) if code in CHECKS]
        if not known:
            return "Nothing"
        return format_html(
            '<span class="attune-flaws">{}</span>',
            format_html_join(
                "",
                '<span class="attune-status attune-severity-{}" title="{}">{}{}</span>',
                (
                    (
                        check.severity.value,
                        check.advice,
                        check.title,
                        f": {said}" if (said := found_in_words(check.code, quality.found)) else "",
                    )
                    for check in known
                ),
            ),
        )


class AcceptedFilter(RadioFilter):  # type: ignore[misc]  # unfold is untyped
    title = "accepted"
    parameter_name = "accepted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Open"), ("yes", "Accepted")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[QualityIssue]
    ) -> QuerySet[QualityIssue]:
        if self.value() is None:
            return queryset
        return queryset.filter(accepted_at__isnull=self.value() == "no")


@admin.register(QualityIssue)
class QualityIssueAdmin(ReadOnlyAdmin[QualityIssue]):
    """Words of the catalog that differ only in spelling. Mended in the feed, or accepted."""

    list_display = ("suggestion", "kind", "about", "all_spellings", "items", "state")
    list_filter = (AcceptedFilter, ("kind", ChoicesDropdownFilter))
    list_filter_submit = True
    search_fields = ("suggestion", "about")
    actions = ("accept", "reopen")
    fields = ("kind", "about", "suggestion", "all_spellings", "mended_by", "items", "found_at")
    readonly_fields = fields

    def has_accept_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.change_qualityissue")

    @admin.action(description="Accept: the difference is meant", permissions=["accept"])
    def accept(self, request: HttpRequest, queryset: QuerySet[QualityIssue]) -> None:
        accepted = queryset.filter(accepted_at=None).update(accepted_at=timezone.now())
        messages.success(request, f"Accepted {accepted} spellings.")

    @admin.action(description="Open again", permissions=["accept"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[QualityIssue]) -> None:
        reopened = queryset.exclude(accepted_at=None).update(accepted_at=None)
        messages.success(request, f"Opened {reopened} spellings again.")

    @display(description="Spellings")
    def all_spellings(self, issue: QualityIssue) -> SafeString:
        ranked = sorted(issue.spellings.items(), key=lambda pair: (-pair[1], pair[0]))
        return format_html_join(", ", "{} ({})", ranked)

    @display(description="Mended by the column map")
    def mended_by(self, issue: QualityIssue) -> SafeString | str:
        lines = column_map_of(issue).items()
        if not lines:
            return "Write it one way in the shop's own system."
        return format_html_join(SafeString("<br>"), "<code>“{}”: “{}”</code>", lines)

    @display(description="State", label={"open": "warning", "accepted": "success"})
    def state(self, issue: QualityIssue) -> str:
        return "accepted" if issue.accepted_at else "open"


@admin.register(QualityPolicy)
class QualityPolicyAdmin(ModelAdmin[QualityPolicy]):
    """What the shop expects of its items. A change judges the whole catalog anew."""

    form = type("PolicyForm", (QualityPolicyForm,), dict(POINT_FIELDS))
    list_display = ("__str__", "language_model_score", "note", "updated_at")
    fieldsets = (
        ("For language models", {"fields": ("language_model_score",)}),
        (
            "Thresholds",
            {
                "fields": (
                    ("minimum_description_words", "minimum_images", "minimum_title_characters"),
                    ("minimum_reviews", "stock_minutes", "sold_out_days"),
                    "price_deviations",
                )
            },
        ),
        (
            "Points off a score of 100 (0 turns the check off)",
            {
                "fields": tuple(
                    tuple(points_field(code) for code in [*CHECKS][start : start + 3])
                    for start in range(0, len(CHECKS), 3)
                )
            },
        ),
        (None, {"fields": ("note",)}),
    )

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """There is one policy: where it is made already, it is changed."""
        policy = QualityPolicy.objects.first()
        if policy is not None:
            return self.change_view(request, str(policy.pk))
        return super().add_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: QualityPolicy, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        check_whole_catalog.delay_on_commit(current_schema())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[QualityPolicy]) -> None:
        for policy in queryset:
            policy.delete()


@admin.register(Review)
class ReviewAdmin(LongListAdmin[Review]):
    """What shoppers think of items. Files of reviews are uploaded under Imports."""

    personal_fields = frozenset({"author", "shopper", "title", "text"})
    list_display = ("stars", "item", "title", "author", "verified", "written_at")
    list_select_related = ("item",)
    list_filter = (("rating", RangeNumericFilter), "verified")
    list_filter_submit = True
    search_fields = ("item__external_id__exact", "external_id__exact", "author", "title")
    autocomplete_fields = ("item",)
    fields = (
        ("item", "external_id"),
        ("title", "rating"),
        "text",
        ("author", "shopper", "verified"),
        ("language", "written_at"),
    )

    def get_fields(self, request: HttpRequest, obj: Review | None = None) -> Any:
        if request.user.has_perm("profiles.view_shopper"):
            return self.fields
        public = ("author", "verified")
        return [public if "shopper" in group else group for group in self.fields]

    def save_model(self, request: HttpRequest, obj: Review, form: Any, change: Any) -> None:
        moved_from = Review.objects.filter(pk=obj.pk).values_list("item_id", flat=True)
        items = {obj.item_id, *moved_from}
        super().save_model(request, obj, form, change)
        refresh_ratings(items)

    def delete_model(self, request: HttpRequest, obj: Review) -> None:
        super().delete_model(request, obj)
        refresh_ratings([obj.item_id])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        items = set(queryset.values_list("item_id", flat=True))
        super().delete_queryset(request, queryset)
        refresh_ratings(items)

    @display(description="Rating", ordering="rating")
    def stars(self, review: Review) -> str:
        return "★" * review.rating + "☆" * (5 - review.rating)
