"""The admin of what is recommended: placements, rules, ranker versions, and every decision."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import F, Func, IntegerField, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
)

import recommendations.search_admin  # noqa: F401  # registers itself
from catalog.models import Item
from profiles.finding import find_item_ids
from profiles.policy import policy_then
from recommendations.decision_search import find_decisions
from recommendations.ledger_view import GENERATORS, draw_slate, kinds_in
from recommendations.list_filters import FallbackFilter, PlacementCodeFilter, RankerFilter
from recommendations.models import (
    Decision,
    Impression,
    ItemComplements,
    ItemFacts,
    ItemNeighbors,
    Placement,
    RankerVersion,
)
from recommendations.promotion import PROMOTABLE, promote
from recommendations.ranker_metrics import compare, headline
from recommendations.rule_admin import MerchandisingRuleAdmin, SegmentAdmin
from tenants.errors import DomainError
from tenants.pages import (
    NO_VALUE,
    DayRangeFilter,
    LongListAdmin,
    ModelAdmin,
    ReadOnlyAdmin,
    action,
    change_address,
    delete_one_by_one,
    display,
    link,
)
from tenants.settled import unsettle

__all__ = ["MerchandisingRuleAdmin", "SegmentAdmin"]

STATUS_LABELS = {
    "Live": "success",
    "Candidate": "info",
    "Training": "warning",
    "Failed": "danger",
}
SHOWN_CANDIDATES = 30
SHOWN_NEIGHBORS = 20


@admin.register(Placement)
class PlacementAdmin(ModelAdmin[Placement]):
    list_display = ("code", "question", "diversity", "repeats_purchases", "active")
    list_filter = (("question", ChoicesDropdownFilter), ("active", BooleanRadioFilter))
    search_fields = ("code",)
    autocomplete_fields = ("static_items",)
    fieldsets = (
        (None, {"fields": (("code", "question"), "active")}),
        ("How a slate is made", {"fields": (("diversity", "repeats_purchases"), "static_items")}),
        (
            "What is never shown here, also if a rule asks for it",
            {"fields": (("minimum_margin", "minimum_quality"), "over_budget")},
        ),
        (
            "Variety",
            {
                "fields": (
                    ("max_per_category", "max_per_brand"),
                    ("discovery_share", "new_share", "new_for_days"),
                    ("cap_impressions", "cap_days"),
                )
            },
        ),
    )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        super().save_related(request, form, formsets, change)
        # The static items are stored after the placement, which dropped the cache too early.
        unsettle()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Placement]) -> None:
        delete_one_by_one(queryset)


@admin.register(RankerVersion)
class RankerVersionAdmin(ReadOnlyAdmin[RankerVersion], LongListAdmin[RankerVersion]):
    """Training runs. The only thing staff may do with one is to let it serve."""

    list_display = ("version", "state", "best", "trained_at", "events", "shoppers", "items", "took")
    list_filter = (("status", ChoicesDropdownFilter),)
    ordering = ("-id",)
    sortable_by = ()
    actions = ("promote_selected",)
    actions_detail = ("promote_this",)
    change_form_before_template = "admin/recommendations/rankerversion/metrics.html"
    fields = (
        ("status", "trained_at", "took"),
        ("events", "shoppers", "items"),
        "note",
        "params",
    )
    readonly_fields = ("took",)

    def has_promote_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("recommendations.change_rankerversion"))

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        metrics = kwargs["obj"].metrics
        context["metrics"] = compare(metrics)
        context["measured"] = metrics.get("version")
        if split_at := metrics.get("split_at"):
            context["split_at"] = datetime.fromtimestamp(split_at, UTC)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.action(description="Promote: let it serve", permissions=["promote"])
    def promote_selected(self, request: HttpRequest, queryset: QuerySet[RankerVersion]) -> None:
        versions = list(queryset[:2])
        if len(versions) == 1:
            self._promote(request, versions[0])
        else:
            messages.error(request, "Choose one version: only one can serve.")

    @action(
        description="Promote",
        url_path="promote",
        permissions=["promote"],
        icon="rocket_launch",
        dialog={
            "title": "Let this version serve?",
            "description": "It answers from the next requests on; the live version is retired.",
            "form_class": None,
            "form_submit_text": "Promote",
        },
    )
    def promote_this(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        version = self.get_object(request, object_id)
        if version is None:
            raise Http404
        self._promote(request, version)
        return HttpResponse(headers={"HX-Redirect": change_address(version)})

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        actions = super().get_actions_detail(request, object_id)  # type: ignore[misc]  # unfold's
        version = self.get_object(request, str(object_id))
        return actions if version is not None and version.status in PROMOTABLE else []

    def _promote(self, request: HttpRequest, version: RankerVersion) -> None:
        note = f"Promoted by {request.user} on {timezone.now():%F %H:%M} UTC."
        try:
            promoted = promote(version, note=note)
        except DomainError as error:
            messages.error(request, error.detail)
        else:
            self.log_change(request, promoted, "Promoted.")
            messages.success(request, f"{str(promoted).capitalize()} is live.")

    @display(description="Version")
    def version(self, version: RankerVersion) -> str:
        return f"version {version.pk}"

    @display(description="Status", label=STATUS_LABELS)
    def state(self, version: RankerVersion) -> str:
        return version.get_status_display()

    @display(description="Quality (nDCG)")
    def best(self, version: RankerVersion) -> str:
        found = headline(version.metrics)
        return NO_VALUE if found is None else f"{found:.4f}"

    @display(description="Took")
    def took(self, version: RankerVersion) -> str:
        return f"{version.seconds:,.1f} s"


class OfItemAdmin(ReadOnlyAdmin[Any], LongListAdmin[Any]):
    """A list of rows that each belong to an item, found by the item's external id."""

    list_select_related: ClassVar[tuple[str, ...]] = ("item",)
    search_fields = ("item__external_id",)  # searched by `get_search_results`
    search_help_text = "An item's external id"
    sortable_by: ClassVar[tuple[str, ...]] = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        return (queryset.filter(item__in=find_item_ids(text)) if text else queryset), False


class GoesWithAdmin(OfItemAdmin):
    """What training learned to go with each item, strongest first."""

    list_display: tuple[str, ...] = ("item", "ranker", "how_many", "strongest")
    list_select_related = ("item", "ranker")
    list_filter = (RankerFilter,)
    ordering = ("-id",)
    fields: ClassVar[Any] = (("item", "ranker"),)
    change_form_after_template = "admin/recommendations/itemneighbors/neighbors.html"

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        neighbors: ItemNeighbors | ItemComplements = kwargs["obj"]
        items = Item.objects.only("title", "external_id").in_bulk(neighbors.neighbor_ids)
        largest = max(neighbors.weights, default=1.0) or 1.0
        drawn = [
            {"item": items[pk], "weight": weight, "width": 100 * weight / largest}
            for pk, weight in zip(neighbors.neighbor_ids, neighbors.weights, strict=True)
            if pk in items
        ]
        context["strongest"], context["others"] = drawn[:SHOWN_NEIGHBORS], drawn[SHOWN_NEIGHBORS:]
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Neighbors")
    def how_many(self, neighbors: ItemNeighbors | ItemComplements) -> int:
        return len(neighbors.neighbor_ids)

    @display(description="Strongest weight")
    def strongest(self, neighbors: ItemNeighbors | ItemComplements) -> str:
        return f"{neighbors.weights[0]:.4f}" if neighbors.weights else NO_VALUE


@admin.register(ItemNeighbors)
class ItemNeighborsAdmin(GoesWithAdmin):
    """What the same shoppers choose."""

    list_display = ("item", "ranker", "how_many", "strongest", "repeat")
    fields: ClassVar[Any] = (("item", "ranker", "repeat"),)


@admin.register(ItemComplements)
class ItemComplementsAdmin(GoesWithAdmin):
    """What is bought together in one order."""


@admin.register(ItemFacts)
class ItemFactsAdmin(OfItemAdmin):
    """What is popular, and what is becoming so."""

    list_display = ("item", "popularity_bar", "trend_bar", "trend_now_bar", "computed_at")
    ordering = ("-popularity",)
    sortable_by = ("popularity_bar", "trend_bar", "trend_now_bar")
    fields = ("item", ("popularity", "trend", "trend_now", "computed_at"))

    @display(description="Popularity", ordering="popularity")
    def popularity_bar(self, facts: ItemFacts) -> SafeString:
        return bar(facts.popularity)

    @display(description="Trend", ordering="trend")
    def trend_bar(self, facts: ItemFacts) -> SafeString:
        return bar(facts.trend)

    @display(description="These hours", ordering="trend_now")
    def trend_now_bar(self, facts: ItemFacts) -> SafeString:
        return bar(facts.trend_now)


def bar(share: float) -> SafeString:
    """A number in 0-1 as a bar with the number beside it."""
    return format_html(
        '<span class="attune-bar"><svg viewBox="0 0 100 10" preserveAspectRatio="none" '
        'aria-hidden="true"><rect width="{}" height="10"></rect></svg>{}</span>',
        f"{100 * share:.1f}",
        f"{share:.3f}",
    )


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin[Decision], LongListAdmin[Decision]):
    """Every slate that was served, and why each of its items stood where it stood."""

    personal = True
    list_display = (
        *("served_at", "placement", "shopper", "items", "ranker_version", "fallback_list"),
        "latency",
    )
    list_select_related = ("shopper",)
    list_filter = (PlacementCodeFilter, FallbackFilter, ("served_at", DayRangeFilter))
    list_filter_submit = True
    search_fields = ("id",)  # searched by `get_search_results`
    search_help_text = "A decision's id, a shopper's id, or an item's external id"
    ordering = ("-served_at",)
    sortable_by = ()
    change_form_template = "admin/recommendations/decision/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        served = Func(F("slate"), function="jsonb_array_length", output_field=IntegerField())
        heavy = ("slate", "candidates", "context")
        rows: QuerySet[Decision] = super().get_queryset(request)
        return rows.annotate(served=served).defer(*heavy)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Decision], search_term: str
    ) -> tuple[QuerySet[Decision], bool]:
        return find_decisions(queryset, search_term.strip()), False

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        decision: Decision = kwargs["obj"]
        shown = {item["item_id"] for item in decision.slate}
        others = [pair for pair in decision.candidates if pair[0] not in shown][:SHOWN_CANDIDATES]
        on_page: list[int] = decision.context.get("items", [])
        in_cart: list[int] = decision.context.get("cart", [])
        named = [*(pk for pk, _ in others), *on_page, *in_cart]
        titles = Item.objects.only("title").in_bulk(named)
        context["asked"] = {
            "limit": decision.context.get("limit"),
            "items": {
                "On the page": [titles[pk] for pk in on_page if pk in titles],
                "In the cart": [titles[pk] for pk in in_cart if pk in titles],
            },
        }
        largest = max((abs(score) for _, score in others), default=1.0) or 1.0
        context["slate"] = draw_slate(decision.slate)
        context["policy_then"] = policy_then(kinds_in(decision.slate), decision.served_at)
        context["generators"] = [
            {"code": code, "name": code.replace("_", " "), "words": words}
            for code, words in GENERATORS.items()
        ]
        context["not_shown"] = [
            {"item": titles.get(pk), "score": score, "width": 100 * abs(score) / largest}
            for pk, score in others
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Items")
    def items(self, decision: Decision) -> int:
        return int(decision.served)  # type: ignore[attr-defined]  # annotated

    @display(description="Fallbacks", label="warning")
    def fallback_list(self, decision: Decision) -> list[str]:
        return [fallback.replace("_", " ") for fallback in decision.fallbacks]

    @display(description="Latency")
    def latency(self, decision: Decision) -> str:
        return f"{decision.latency_ms:,.1f} ms"


@admin.register(Impression)
class ImpressionAdmin(OfItemAdmin):
    """A ledger: staff may read impressions, never write them."""

    personal = True
    list_display = ("item", "position", "sum_of_ledger", "reason_kind", "served_at", "why")
    list_select_related = ("item", "decision")
    ordering = ("-id",)
    fields = (("decision", "position"), ("item", "score", "reason_kind"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Impression]:
        heavy = ("decision__slate", "decision__candidates", "decision__context")
        return super().get_queryset(request).defer(*heavy)

    @display(description="Score")
    def sum_of_ledger(self, impression: Impression) -> str:
        return f"{impression.score:.4f}"

    @display(description="Served at")
    def served_at(self, impression: Impression) -> Any:
        return impression.decision.served_at

    @display(description="Why")
    def why(self, impression: Impression) -> SafeString:
        return link(change_address(impression.decision), "the decision")
