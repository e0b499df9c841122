"""The admin of retention: how long each kind of data is kept, and what each night removed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import AllValuesCheckboxFilter
from unfold.widgets import UnfoldAdminSelectWidget

from profiles.policy import signal_policy
from profiles.retention import all_kept, kept_days
from profiles.retention_models import RetentionRule, RetentionRun
from tenants.pages import DayRangeFilter, LongListAdmin, ModelAdmin, ReadOnlyAdmin, display


class RuleForm(forms.ModelForm[RetentionRule]):
    kind = forms.ChoiceField(widget=UnfoldAdminSelectWidget)

    class Meta:
        model = RetentionRule
        fields = ("kind", "days", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(kind := self.fields.get("kind"), forms.ChoiceField):
            kind.choices = [(kept.kind, f"{kept.kind}: {kept.holds}") for kept in all_kept()]


@admin.register(RetentionRule)
class RetentionRuleAdmin(ModelAdmin[RetentionRule]):
    """Days of this shop's own. What has none is kept for its default, which the table above the
    list shows."""

    form = RuleForm
    list_display = ("kind", "days", "note")
    list_before_template = "admin/profiles/retentionrule/in_force.html"

    def get_readonly_fields(
        self, request: HttpRequest, obj: RetentionRule | None = None
    ) -> tuple[str, ...]:
        return () if obj is None else ("kind",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return super().changelist_view(request, {"kept": in_force(), **(extra_context or {})})


def in_force() -> list[dict[str, Any]]:
    """Every kind of data with its days, and what was removed of it last."""
    days = kept_days()
    last = {run.kind: run for run in RetentionRun.objects.order_by("kind", "-at").distinct("kind")}
    return [
        {
            "kind": kept.kind,
            "holds": kept.holds,
            "days": days[kept.kind],
            "is_default": days[kept.kind] == kept.days,
            "default": kept.days,
            "shorter": sorted(signal_policy().kept_days.items()) if kept.kind == "events" else [],
            "last": last.get(kept.kind),
        }
        for kept in all_kept()
    ]


@admin.register(RetentionRun)
class RetentionRunAdmin(ReadOnlyAdmin[RetentionRun], LongListAdmin[RetentionRun]):
    """What the nights removed."""

    list_display = ("at", "kind", "days", "before", "rows", "dropped", "shorter", "failure")
    list_filter = (("kind", AllValuesCheckboxFilter), ("at", DayRangeFilter))
    list_filter_submit = True
    ordering = ("-at", "kind")
    sortable_by = ()

    @display(description="Months dropped whole")
    def dropped(self, run: RetentionRun) -> str:
        return ", ".join(name.removeprefix("profiles_event_") for name in run.partitions)

    @display(description="By the signal policy")
    def shorter(self, run: RetentionRun) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in sorted(run.by_policy.items()))
