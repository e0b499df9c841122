"""The admin of synonyms: one by one, or a whole list at once."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from catalog.search.synonyms import import_synonyms, read_lines
from catalog.search.understanding.words import stems_of
from catalog.search_models import SearchSynonym
from tenants.pages import ModelAdmin, action, delete_one_by_one, display, list_address

MOST_CHARACTERS = 500_000
SHOWN_PROBLEMS = 5


class SynonymForm(forms.ModelForm[SearchSynonym]):
    """Each entry says something, and nothing stands for itself."""

    class Meta:
        model = SearchSynonym
        fields = ("words", "alternatives", "two_way", "active")

    def clean_words(self) -> str:
        words = " ".join(self.cleaned_data["words"].split())
        if not stems_of(words):
            raise forms.ValidationError("A word or a phrase is needed.")
        return words

    def clean_alternatives(self) -> list[str]:
        given = [" ".join(each.split()) for each in self.cleaned_data["alternatives"]]
        others = list(dict.fromkeys(each for each in given if stems_of(each)))
        if stems_of(self.cleaned_data.get("words", "")) in map(stems_of, others):
            raise forms.ValidationError("Nothing needs to stand for itself.")
        if not others:
            raise forms.ValidationError("At least one alternative is needed.")
        return others


class SynonymImportForm(BaseDialogForm):  # type: ignore[misc]  # unfold is untyped
    lines = forms.CharField(
        max_length=MOST_CHARACTERS,
        widget=UnfoldAdminTextareaWidget,
        help_text="One group a line: “sneakers, trainers, gym shoes”, or one way only:"
        " “cell => phone, mobile”.",
    )

    def clean_lines(self) -> list[Any]:
        lines, wrong = read_lines(self.cleaned_data["lines"])
        if wrong:
            more = len(wrong) - SHOWN_PROBLEMS
            shown = wrong[:SHOWN_PROBLEMS] + ([f"And {more} more."] if more > 0 else [])
            raise forms.ValidationError(shown)
        if not lines:
            raise forms.ValidationError("There is nothing to import.")
        return lines


@admin.register(SearchSynonym)
class SearchSynonymAdmin(ModelAdmin[SearchSynonym]):
    form = SynonymForm
    list_display = ("words", "way", "stands_for", "active")
    list_filter = (("two_way", BooleanRadioFilter), ("active", BooleanRadioFilter))
    search_fields = ("words", "alternatives")
    actions_list = ("import_list",)
    fieldsets = ((None, {"fields": ("words", "alternatives", ("two_way", "active"))}),)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        delete_one_by_one(queryset)

    @action(
        description="Import a list",
        url_path="import",
        permissions=["add"],
        icon="upload",
        dialog={
            "title": "Import synonyms",
            "description": "Words that are there already get the new alternatives.",
            "form_class": SynonymImportForm,
            "form_submit_text": "Import",
        },
    )
    def import_list(self, request: HttpRequest, form: SynonymImportForm) -> HttpResponse:
        imported = import_synonyms(form.cleaned_data["lines"])
        messages.success(request, f"Imported {imported:,} synonyms.")
        return HttpResponse(headers={"HX-Redirect": list_address(SearchSynonym)})

    @display(description="")
    def way(self, synonym: SearchSynonym) -> str:
        return "↔" if synonym.two_way else "→"

    @display(description="May stand for")
    def stands_for(self, synonym: SearchSynonym) -> str:
        return ", ".join(synonym.alternatives)
