"""The forms by which a merchandiser changes an item and its offer."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from catalog.feeds.currencies import CURRENCIES
from catalog.models import Item, Offer
from tenants.json_object import JsonObjectField


class LinesField(forms.CharField):
    """A list of texts, one a line: a picture's address may hold the comma that Django splits at."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return [line.strip() for line in text.splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class ItemForm(forms.ModelForm[Item]):
    category_path = LinesField(required=False, help_text="From wide to narrow, one a line.")
    images = LinesField(required=False, help_text="Addresses, one a line; the first is shown.")
    attributes = JsonObjectField(required=False)

    class Meta:
        model = Item
        fields = (
            *("external_id", "kind", "title", "description", "brand", "group_id", "language"),
            *("category_path", "available", "address", "images", "attributes"),
        )


class OfferForm(forms.ModelForm[Offer]):
    class Meta:
        model = Offer
        fields = ("price", "sale_price", "currency", "cost", "stock")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("price", "sale_price", "cost"):
            amount = self.initial.get(name)
            # Stored with four decimal places, of which most prices need two.
            if amount is not None and round(amount, 2) == amount:
                self.initial[name] = round(amount, 2)

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"]).upper()
        if currency not in CURRENCIES:
            raise forms.ValidationError(f"“{currency}” is not a currency code of ISO 4217.")
        return currency

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in ("price", "sale_price", "cost", "stock"):
            if (cleaned.get(name) or 0) < 0:
                self.add_error(name, "This cannot be negative.")
        price, sale_price = cleaned.get("price"), cleaned.get("sale_price")
        if price is not None and sale_price is not None and sale_price > price:
            self.add_error("sale_price", "A sale price is not above the price.")
        return cleaned
