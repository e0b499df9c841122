"""The form by which a merchant uploads a feed; it says at once what is wrong with the file."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from catalog.feeds.options import FeedDefaults
from catalog.feeds.options import FeedFormat as ReaderFormat
from catalog.feeds.read import check_settings, read_feed, read_links, read_reviews
from catalog.feeds.rows import FeedErrorCode, FeedUnreadable
from catalog.models import FeedContent, FeedImport, ItemKind, ItemLink
from tenants.json_object import JsonObjectField

OPTIONS = (
    *("currency", "language", "kind", "decimal_comma", "price_required", "encoding"),
    *("highest_rating", "link_kind"),
)
"""The fields of the form that become the import's options; see FeedDefaults."""

ABOUT = {
    FeedErrorCode.INVALID_OPTIONS: None,
    FeedErrorCode.INVALID_COLUMN_MAP: "columns",
}
"""Which field of the form a refusal is about, where it is not the file."""

READERS = {
    FeedContent.ITEMS: read_feed,
    FeedContent.REVIEWS: read_reviews,
    FeedContent.LINKS: read_links,
}


class FeedUploadForm(forms.ModelForm[FeedImport]):
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget, max_length=255, help_text="May be compressed with gzip."
    )
    content = forms.ChoiceField(
        choices=FeedContent.choices,
        initial=FeedContent.ITEMS,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="What a row is.",
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
    link_kind = forms.ChoiceField(
        choices=ItemLink.Kind.choices,
        initial=ItemLink.Kind.RELATED,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Of links that name none.",
    )
    highest_rating = forms.IntegerField(
        required=False,
        min_value=2,
        max_value=100,
        initial=5,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Of reviews: what the best rating is written as.",
    )
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
        fields = ("file", "content", "format", "columns", "full")

    def clean_content(self) -> str:
        return self.cleaned_data["content"] or FeedContent.ITEMS

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()

    def clean_columns(self) -> dict[str, str]:
        columns: dict[str, str] = self.cleaned_data["columns"]
        if not all(isinstance(target, str) for target in columns.values()):
            raise forms.ValidationError('Every value names a field, as in {"Name": "title"}.')
        return columns

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        options = {name: cleaned[name] for name in OPTIONS if cleaned[name] not in ("", None)}
        try:
            check_settings(
                cleaned["content"], ReaderFormat(cleaned["format"]), cleaned["columns"] or None
            )
            _read_beginning(cleaned, options)
        except FeedUnreadable as error:
            self.add_error(ABOUT.get(error.code, "file"), error.message)
        self.instance.options = options
        return cleaned


def _read_beginning(cleaned: dict[str, Any], options: dict[str, Any]) -> None:
    """Raises FeedUnreadable where the first row shows that the import would fail."""
    file: UploadedFile = cleaned["file"]
    rows = READERS[cleaned["content"]](
        file,  # type: ignore[arg-type]  # reads like any binary file
        format=ReaderFormat(cleaned["format"]),
        columns=cleaned["columns"] or None,
        defaults=FeedDefaults(**options),
    )
    next(rows, None)
    file.seek(0)
