"""The form of a merchandising rule: what the database refuses, said in words."""

from typing import Any

from django import forms

from recommendations.models import MerchandisingRule


class RuleForm(forms.ModelForm[MerchandisingRule]):
    class Meta:
        model = MerchandisingRule
        fields = (
            *("name", "kind", "placements", "item", "category", "brand", "amount"),
            *("starts_at", "ends_at"),
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not (cleaned.get("item") or cleaned.get("category") or cleaned.get("brand")):
            self.add_error(None, "Say what the rule is for: an item, a category or a brand.")
        if cleaned.get("kind") == MerchandisingRule.Kind.PIN and not cleaned.get("item"):
            self.add_error("item", "A pin is for one item.")
        starts_at, ends_at = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts_at and ends_at and ends_at <= starts_at:
            self.add_error("ends_at", "The rule ends before it begins.")
        return cleaned
