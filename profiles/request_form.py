"""The form by which staff write down what a shopper asked for, kind by kind."""

import json
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from pydantic import TypeAdapter, ValidationError
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from profiles.contract import CLOCK_SKEW, ContextKey, ContextValue
from profiles.models import PrivacyRequest, Purpose
from tenants.errors import DomainError
from tenants.input import parse_external_id

_values: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[ContextKey, ContextValue])

ONE_A_LINE = "One a line, as “name: Ann”. A name without a value is removed."


class RequestForm(forms.ModelForm[PrivacyRequest]):
    traits = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        label="Right traits",
        help_text=f"Rectification: what the shop says of the shopper. {ONE_A_LINE}",
    )
    preferences = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        label="Right preferences",
        help_text=f"Rectification: what the shopper says. {ONE_A_LINE}",
    )
    purposes = forms.MultipleChoiceField(
        choices=Purpose.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Objection: the uses to end. All, if none is chosen.",
    )

    class Meta:
        model = PrivacyRequest
        fields = ("kind", "named_by", "named", "received_at", "note", "purposes")
        widgets: ClassVar = {"note": UnfoldAdminTextareaWidget(attrs={"rows": 3})}

    def clean_named(self) -> str:
        try:
            return parse_external_id(self.cleaned_data["named"] or "", field="named")
        except DomainError as error:
            raise forms.ValidationError(error.fields["named"]) from error

    def clean_received_at(self) -> datetime:
        received: datetime = self.cleaned_data["received_at"]
        if received > timezone.now() + CLOCK_SKEW:
            raise forms.ValidationError("The month runs from when the shopper asked: not later.")
        return received

    def clean_traits(self) -> dict[str, Any]:
        return self._corrections("traits")

    def clean_preferences(self) -> dict[str, Any]:
        return self._corrections("preferences")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        kind = cleaned.get("kind")
        corrections = {
            name: cleaned[name] for name in ("traits", "preferences") if cleaned.get(name)
        }
        if kind == PrivacyRequest.Kind.RECTIFICATION:
            if not corrections and not self.errors:
                self.add_error("traits", "Say which values are right.")
        elif corrections:
            self.add_error(next(iter(corrections)), "Values are corrected by a rectification.")
        if cleaned.get("purposes") and kind != PrivacyRequest.Kind.OBJECTION:
            self.add_error("purposes", "Purposes are named by an objection.")
        self.instance.changes = corrections
        return cleaned

    def _corrections(self, field: str) -> dict[str, Any]:
        """`name: value` lines as values; a value that reads as a number or yes and no of JSON is
        one."""
        found: dict[str, Any] = {}
        for line in filter(None, map(str.strip, self.cleaned_data[field].splitlines())):
            name, colon, value = (part.strip() for part in line.partition(":"))
            if not name or not colon:
                raise forms.ValidationError(f"“{line}” is not written as “name: value”.")
            found[name] = _value(value)
        try:
            return _values.validate_python(found)
        except ValidationError as error:
            raise forms.ValidationError(error.errors(include_url=False)[0]["msg"]) from error


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
