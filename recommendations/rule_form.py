"""The forms of merchandising rules and segments: what cannot be followed is said in words."""

from typing import Any, ClassVar

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from recommendations.models import MerchandisingRule, Segment
from recommendations.rule_checks import check_rule


class RuleForm(forms.ModelForm[MerchandisingRule]):
    weekdays = forms.TypedMultipleChoiceField(
        coerce=int,
        choices=MerchandisingRule.Weekday.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Every day if none is chosen.",
    )

    class Meta:
        model = MerchandisingRule
        fields = (
            *("name", "kind", "amount", "position", "label", "placements"),
            *("item", "category", "brand", "on_sale", "new_for_days"),
            *("attribute", "attribute_values", "attribute_from", "attribute_to"),
            *("price_from", "price_to", "margin_from", "margin_below"),
            *("query", "whole_query", "segment", "device", "countries"),
            *("starts_at", "ends_at", "weekdays", "from_hour", "to_hour"),
        )
        widgets: ClassVar = {
            "attribute_values": UnfoldAdminTextInputWidget,
            "countries": UnfoldAdminTextInputWidget,
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        # A field that is hidden for this kind of rule keeps what was typed before; it is dropped.
        if cleaned.get("kind") != MerchandisingRule.Kind.PIN:
            cleaned["position"] = None
        if cleaned.get("kind") != MerchandisingRule.Kind.PROMOTION:
            cleaned["label"] = ""
        rule = MerchandisingRule(
            pk=self.instance.pk,
            status=self.instance.status,
            **{name: value for name, value in cleaned.items() if name not in {"placements"}},
        )
        live = self.instance.status == MerchandisingRule.Status.LIVE
        found = check_rule(rule, list(cleaned.get("placements") or ()), publishing=live)
        for field, why in found.errors.items():
            if field not in self.errors:
                self.add_error(field or None, why)
        return cleaned


class SegmentForm(forms.ModelForm[Segment]):
    class Meta:
        model = Segment
        fields = (
            *("name", "visits", "countries", "preference", "preference_values"),
            *("trait", "trait_values", "affinity_category", "affinity_share"),
            *("bought_category", "bought_within_days"),
        )
        widgets: ClassVar = {
            "countries": UnfoldAdminTextInputWidget,
            "preference_values": UnfoldAdminTextInputWidget,
            "trait_values": UnfoldAdminTextInputWidget,
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        says = ("visits", "countries", "preference", "trait", "affinity_category")
        if not any(cleaned.get(name) for name in (*says, "bought_category")):
            self.add_error(None, "Say at least one thing of the shoppers.")
        for values, name in (("preference_values", "preference"), ("trait_values", "trait")):
            if cleaned.get(values) and not cleaned.get(name):
                self.add_error(name, "Say what the values are of.")
        return cleaned
