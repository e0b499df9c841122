"""The form by which a merchant uploads a feed; it says at once what is wrong with the file."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from catalog.feeds.columns import ColumnMap
from catalog.feeds.options import FeedDefaults
from catalog.feeds.options import FeedFormat as ReaderFormat
from catalog.feeds.read import read_feed
from catalog.feeds.rows import FeedErrorCode, FeedUnreadable
from catalog.models import FeedImport, ItemKind
from tenants.json_object import JsonObjectField

OPTIONS = ("currency", "language", "kind", "decimal_comma", "price_required", "encoding")
"""The fields of the form that become the import's options; see FeedDefaults."""


class FeedUploadForm(forms.ModelForm[FeedImport]):
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget, max_length=255, help_text="May be compressed with gzip."
    )
    columns = JsonObjectField(
        required=False,
        help_text='CSV only: feed column to field, such as {"Name": "title"}. Empty: guessed.',
    )
    currency = forms.CharField(
        required=False,
        max_length=3,
        widget=UnfoldAdminTextInputWidget,
        help_text="Of prices that name none.",
    )
    language = forms.CharField(required=False, max_length=10, widget=UnfoldAdminTextInputWidget)
    kind = forms.ChoiceField(
        choices=ItemKind.choices,
        initial=ItemKind.PRODUCT,
        widget=UnfoldAdminSelectWidget,
        help_text="Of items that name none.",
    )
    decimal_comma = forms.BooleanField(
        required=False, widget=UnfoldBooleanSwitchWidget, help_text="Prices look like 1.299,00."
    )
    price_required = forms.BooleanField(
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text="A product without a price is an error.",
    )
    encoding = forms.CharField(
        required=False,
        max_length=20,
        widget=UnfoldAdminTextInputWidget,
        help_text="Of the file, such as cp1252. Empty means UTF-8.",
    )

    class Meta:
        model = FeedImport
        fields = ("file", "format", "columns", "full")

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()

    def clean_columns(self) -> dict[str, str]:
        columns: dict[str, str] = self.cleaned_data["columns"]
        if not all(isinstance(target, str) for target in columns.values()):
            raise forms.ValidationError('Every value names a field, as in {"Name": "title"}.')
        try:
            ColumnMap(columns)
        except FeedUnreadable as error:
            raise forms.ValidationError(error.message) from error
        return columns

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        options = {name: cleaned[name] for name in OPTIONS if cleaned[name] not in ("", None)}
        try:
            _read_beginning(cleaned["file"], cleaned["format"], cleaned["columns"], options)
        except FeedUnreadable as error:
            about_options = error.code == FeedErrorCode.INVALID_OPTIONS
            self.add_error(None if about_options else "file", error.message)
        self.instance.options = options
        return cleaned


def _read_beginning(
    file: UploadedFile, format_name: str, columns: dict[str, str], options: dict[str, Any]
) -> None:
    """Raises FeedUnreadable where the first row shows that the import would fail."""
    rows = read_feed(
        file,  # type: ignore[arg-type]  # reads like any binary file
        format=ReaderFormat(format_name),
        columns=columns or None,
        defaults=FeedDefaults(**options),
    )
    next(rows, None)
    file.seek(0)
