"""The admin of rules and segments: writing them, trying them out, publishing and retiring them."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from catalog.models import Item
from profiles.models import Shopper
from recommendations.models import MerchandisingRule, Segment
from recommendations.rule_checks import check_rule, warnings_about
from recommendations.rule_form import RuleForm, SegmentForm
from recommendations.rule_reach import measure, reach_of
from recommendations.rule_reading import target_of
from recommendations.rule_words import for_whom_in_words, segment_in_words, target_in_words
from recommendations.simulation_page import SimulationForm, drawn
from tenants.audit import About, Verb, record
from tenants.pages import (
    NO_VALUE,
    ModelAdmin,
    action,
    change_address,
    delete_one_by_one,
    display,
    link_to,
)
from tenants.settled import unsettle

Status = MerchandisingRule.Status
STATE_LABELS = {
    "in force": "success",
    "to come": "info",
    "draft": "warning",
    "over": "danger",
    "retired": "danger",
}
SHOWN_ITEMS = 8


@admin.register(MerchandisingRule)
class MerchandisingRuleAdmin(ModelAdmin[MerchandisingRule]):
    form = RuleForm
    list_display = ("name", "state", "kind", "what", "when_and_for_whom", "strength", "items")
    list_select_related = ("item", "segment")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("placements", RelatedDropdownFilter),
    )
    list_filter_submit = True
    search_fields = ("name", "category", "brand", "query", "label")
    autocomplete_fields = ("item", "placements", "segment")
    conditional_fields = {
        "amount": "['boost', 'promotion', 'bury'].includes(kind)",
        "position": "kind == 'pin'",
        "label": "kind == 'promotion'",
    }
    fieldsets = (
        (
            "What it does",
            {"fields": (("name", "kind"), ("amount", "position", "label"), "placements")},
        ),
        (
            "Which items it is for",
            {
                "description": "All that is filled in must be true of an item.",
                "fields": (
                    "item",
                    ("category", "brand"),
                    ("attribute", "attribute_values"),
                    ("attribute_from", "attribute_to"),
                    ("price_from", "price_to"),
                    ("margin_from", "margin_below"),
                    ("on_sale", "new_for_days"),
                ),
            },
        ),
        (
            "When and for whom it holds",
            {
                "description": "Always and for everyone where nothing is filled in. Times are in"
                " the time zone of the shop.",
                "fields": (
                    ("query", "whole_query"),
                    ("segment", "device", "countries"),
                    ("starts_at", "ends_at"),
                    "weekdays",
                    ("from_hour", "to_hour"),
                ),
            },
        ),
    )
    actions = ("publish_selected", "retire_selected")
    actions_list = ("simulate",)
    actions_detail = ("publish_this", "retire_this", "try_this")
    change_form_before_template = "admin/recommendations/merchandisingrule/reach.html"

    # -- Saving -----------------------------------------------------------------------------------

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        super().save_related(request, form, formsets, change)
        # The placements are stored after the rule, which unsettled too early.
        unsettle()
        rule: MerchandisingRule = form.instance
        measure(rule)
        for warning in self._warnings(rule):
            messages.warning(request, warning)

    def response_add(
        self, request: HttpRequest, obj: MerchandisingRule, post_url_continue: str | None = None
    ) -> HttpResponse:
        """A new draft's own page comes next: there it is tried out and published."""
        response = super().response_add(request, obj, post_url_continue)
        if "_addanother" in request.POST or "_popup" in request.POST:
            return response
        return HttpResponseRedirect(change_address(obj))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MerchandisingRule]) -> None:
        delete_one_by_one(queryset)

    def _warnings(self, rule: MerchandisingRule) -> list[str]:
        placements = list(rule.placements.all())
        checked = check_rule(rule, placements, publishing=False)
        return checked.warnings + warnings_about(rule, placements)

    # -- Publishing -------------------------------------------------------------------------------

    def has_publish_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("recommendations.change_merchandisingrule"))

    @admin.action(description="Publish", permissions=["publish"])
    def publish_selected(self, request: HttpRequest, queryset: QuerySet[MerchandisingRule]) -> None:
        self._publish(request, queryset)

    @admin.action(description="Retire", permissions=["publish"])
    def retire_selected(self, request: HttpRequest, queryset: QuerySet[MerchandisingRule]) -> None:
        self._retire(request, queryset)

    @action(
        description="Publish",
        url_path="publish",
        permissions=["publish"],
        icon="rocket_launch",
        dialog={
            "title": "Publish this rule?",
            "description": "It holds from the next request on.",
            "form_class": None,
            "form_submit_text": "Publish",
        },
    )
    def publish_this(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        rule = self._rule(request, object_id)
        self._publish(request, [rule])
        return HttpResponse(headers={"HX-Redirect": change_address(rule)})

    @action(
        description="Retire",
        url_path="retire",
        permissions=["publish"],
        icon="archive",
        dialog={
            "title": "Retire this rule?",
            "description": "From the next request on it does nothing.",
            "form_class": None,
            "form_submit_text": "Retire",
        },
    )
    def retire_this(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        rule = self._rule(request, object_id)
        self._retire(request, [rule])
        return HttpResponse(headers={"HX-Redirect": change_address(rule)})

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Publishing what is not live, retiring what is."""
        rule = self.get_object(request, str(object_id))
        live = rule is not None and rule.status == Status.LIVE
        hidden = "publish_this" if live else "retire_this"
        actions = super().get_actions_detail(request, object_id)  # type: ignore[misc]  # unfold's
        return [found for found in actions if not found.action_name.endswith(hidden)]

    def _publish(self, request: HttpRequest, rules: Iterable[MerchandisingRule]) -> None:
        for rule in rules:
            found = check_rule(rule, list(rule.placements.all()), publishing=True)
            if found.errors:
                messages.error(
                    request, f"“{rule}” stays as it is: {' '.join(found.errors.values())}"
                )
                continue
            rule.status = Status.LIVE
            rule.save(update_fields=["status"])
            reach = measure(rule)
            self.log_change(request, rule, "Published.")
            messages.success(request, f"“{rule}” is live, for {_items(reach.items)}.")

    def _retire(self, request: HttpRequest, rules: Iterable[MerchandisingRule]) -> None:
        for rule in rules:
            rule.status = Status.RETIRED
            rule.save(update_fields=["status"])
            self.log_change(request, rule, "Retired.")
            messages.success(request, f"“{rule}” is retired.")

    def _rule(self, request: HttpRequest, object_id: str) -> MerchandisingRule:
        rule = self.get_object(request, object_id)
        if rule is None:
            raise Http404
        return rule

    # -- Trying out -------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "try/",
            self.admin_site.admin_view(self.simulation),
            name="recommendations_merchandisingrule_try",
        )
        return [page, *super().get_urls()]

    @action(description="Try rules out", url_path="simulate", permissions=["view"], icon="science")
    def simulate(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:recommendations_merchandisingrule_try"))

    @action(description="Try it out", url_path="try-this", permissions=["view"], icon="science")
    def try_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rule = self._rule(request, object_id)
        address = reverse("admin:recommendations_merchandisingrule_try")
        placement = rule.placements.first()
        where = f"&placement={placement.code}" if placement else ""
        return HttpResponseRedirect(f"{address}?use={rule.pk}{where}")

    def simulation(self, request: HttpRequest) -> HttpResponse:
        """Two slates side by side: as it is, and under the rules that are chosen."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = SimulationForm(
            request.GET or None, may_be_shopper=request.user.has_perm("profiles.view_shopper")
        )
        if form.is_valid() and form.cleaned_data.get("shopper"):
            find = {"external_id": form.cleaned_data["shopper"]}
            for pk in Shopper.objects.filter(**find).values_list("pk", flat=True):
                record(Verb.VIEWED, About("profiles.shopper", str(pk), f"a slate for shopper {pk}"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Try rules out",
            "opts": self.opts,
            "form": form,
            **drawn(form, request.GET),
        }
        return TemplateResponse(
            request, "admin/recommendations/merchandisingrule/simulation.html", context
        )

    # -- Drawing ----------------------------------------------------------------------------------

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        rule: MerchandisingRule | None = kwargs.get("obj")
        if rule is not None and rule.pk:
            reach = reach_of(target_of(rule), timezone.now(), most=SHOWN_ITEMS)
            items = Item.objects.select_related("offer").in_bulk(reach.best)
            context["state"] = _state(rule)
            context["state_label"] = STATE_LABELS[_state(rule)]
            context["reach"] = reach
            context["meant"] = [items[pk] for pk in reach.best if pk in items]
            context["warnings"] = self._warnings(rule)
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="State", label=STATE_LABELS)
    def state(self, rule: MerchandisingRule) -> str:
        return _state(rule)

    @display(description="For items")
    def what(self, rule: MerchandisingRule) -> SafeString | str:
        return link_to(rule.item) if rule.item is not None else target_in_words(rule)

    @display(description="When")
    def when_and_for_whom(self, rule: MerchandisingRule) -> str:
        return for_whom_in_words(rule) or "always"

    @display(description="Does")
    def strength(self, rule: MerchandisingRule) -> str:
        match rule.kind:
            case MerchandisingRule.Kind.PIN:
                return f"position {rule.position}" if rule.position else "on top"
            case MerchandisingRule.Kind.EXCLUDE:
                return NO_VALUE
        return f"{'-' if rule.kind == MerchandisingRule.Kind.BURY else '+'}{rule.amount:g}"

    @display(description="Items now", ordering="matching_items")
    def items(self, rule: MerchandisingRule) -> str:
        return NO_VALUE if rule.matching_items is None else f"{rule.matching_items:,}"


@admin.register(Segment)
class SegmentAdmin(ModelAdmin[Segment]):
    form = SegmentForm
    list_display = ("name", "who", "used_by")
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name",)}),
        (
            "Who is in it",
            {
                "description": "All that is filled in must be true of a shopper who grants"
                " personalization; no other shopper is in any segment.",
                "fields": (
                    ("visits", "countries"),
                    ("preference", "preference_values"),
                    ("trait", "trait_values"),
                    ("affinity_category", "affinity_share"),
                    ("bought_category", "bought_within_days"),
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        segments: QuerySet[Segment] = super().get_queryset(request)
        return segments.annotate(uses=Count("rules"))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        delete_one_by_one(queryset)

    @display(description="Who")
    def who(self, segment: Segment) -> str:
        return segment_in_words(segment)

    @display(description="Rules")
    def used_by(self, segment: Segment) -> int:
        return int(segment.uses)  # type: ignore[attr-defined]  # annotated


def _state(rule: MerchandisingRule) -> str:
    now = timezone.now()
    if rule.status != Status.LIVE:
        return rule.get_status_display().lower()
    if rule.starts_at and rule.starts_at > now:
        return "to come"
    return "over" if rule.ends_at and rule.ends_at <= now else "in force"


def _items(number: int) -> str:
    return f"{number:,} item{'' if number == 1 else 's'}"
