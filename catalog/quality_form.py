"""The form of the quality policy: thresholds, and a field for the points of each check."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from catalog.quality.checks import CHECKS
from catalog.quality.models import QualityPolicy
from catalog.quality.policy import points_of

MAX_POINTS = 100


class QualityPolicyForm(forms.ModelForm[QualityPolicy]):
    class Meta:
        model = QualityPolicy
        exclude = ("points",)  # noqa: DJ006  # each of its parts has a field of its own

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        points = points_of(self.instance)
        for code, check in CHECKS.items():
            self.fields[points_field(code)].initial = points[code]
            self.fields[points_field(code)].help_text = f"{check.points} unless changed."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        given = {code: cleaned.get(points_field(code)) for code in CHECKS}
        self.instance.points = {
            code: points
            for code, points in given.items()
            if points is not None and points != CHECKS[code].points
        }
        return cleaned


def points_field(code: str) -> str:
    return f"points_{code}"


POINT_FIELDS = {
    points_field(code): forms.IntegerField(
        label=check.title,
        min_value=0,
        max_value=MAX_POINTS,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    for code, check in CHECKS.items()
}
"""One for each check. Empty means as before any change; 0 turns the check off."""
