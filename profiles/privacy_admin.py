"""The admin of what privacy rests on: the texts shown, and what a browser's signal refuses."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from profiles.models import Consent, ConsentChange, ConsentText, PrivacyControl, Purpose
from tenants.pages import ModelAdmin, display

EXCERPT = 120


@admin.register(ConsentText)
class ConsentTextAdmin(ModelAdmin[ConsentText]):
    """What shoppers were told. A text is never changed: another wording is another version."""

    list_display = ("version", "language", "excerpt", "created_at")
    search_fields = ("version", "wording")
    search_help_text = "A version, or words of a text"

    def has_change_permission(self, request: HttpRequest, obj: ConsentText | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ConsentText | None = None) -> bool:
        """Not while a choice names it: it is the proof of what was agreed to."""
        if not super().has_delete_permission(request, obj):
            return False
        if obj is None:
            return False  # of a list: one by one, each with this question
        named = {"text_version": obj.version}
        return not (
            Consent.objects.filter(**named).exists()
            or ConsentChange.objects.filter(**named).exists()
        )

    @display(description="Wording")
    def excerpt(self, text: ConsentText) -> str:
        short = text.wording[:EXCERPT]
        return f"{short}…" if len(text.wording) > EXCERPT else short


class PrivacyControlForm(forms.ModelForm[PrivacyControl]):
    refuses = forms.MultipleChoiceField(
        choices=Purpose.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Purposes for which nothing of such a request is used.",
    )

    class Meta:
        model = PrivacyControl
        fields = ("refuses", "remembers")


@admin.register(PrivacyControl)
class PrivacyControlAdmin(ModelAdmin[PrivacyControl]):
    """What Global Privacy Control means here. Without a row it refuses every purpose."""

    form = PrivacyControlForm
    list_display = ("__str__", "refused_purposes", "remembers")

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """There is one: where it is made already, it is changed."""
        row = PrivacyControl.objects.first()
        if row is not None:
            return self.change_view(request, str(row.pk))
        return super().add_view(request, *args, **kwargs)

    @display(description="Refuses", label="warning")
    def refused_purposes(self, control: PrivacyControl) -> list[str]:
        return [Purpose(purpose).label for purpose in control.refuses]
