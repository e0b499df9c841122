"""A JSON object typed into a form: whatever it is, either it can be stored or the form says no."""

import json
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput
from unfold.widgets import UnfoldAdminTextareaWidget


class JsonObjectField(forms.JSONField):
    """Empty input is `{}`.

    Refuses what Python reads and PostgreSQL does not: NaN and infinity, NUL, half of a surrogate
    pair; and what breaks Python's reader: deep nesting and numbers of thousands of digits.
    """

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 5, "spellcheck": "false"})

    def bound_data(self, data: Any, initial: Any) -> Any:
        # What was typed is shown as it was typed: reading it again could fail again.
        return initial if self.disabled else InvalidJSONInput(data or "")

    def prepare_value(self, value: Any) -> Any:
        return super().prepare_value(value) if value else ""

    def to_python(self, value: Any) -> Any:
        try:
            found = super().to_python(value)
            text = json.dumps(found or {}, ensure_ascii=False, allow_nan=False)
            text.encode()
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError("This is not JSON that can be stored.") from error
        if found and not isinstance(found, dict):
            raise forms.ValidationError('Write an object, such as {"color": "blue"}.')
        if "\\u0000" in text:
            raise forms.ValidationError("NUL characters cannot be stored.")
        return found or {}
