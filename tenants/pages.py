"""What the admin's pages are built on: pages that only read, long lists, filters by day."""

from collections.abc import Callable
from datetime import datetime, time
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import action as unfold_action
from unfold.decorators import display as unfold_display
from unfold.utils import parse_date_str

from tenants.audited import AuditedPages, recorded_view
from tenants.paging import EstimatingPaginator

if TYPE_CHECKING:
    # unfold is untyped; to the type checker its classes are those that they extend.
    from django.contrib.admin import ModelAdmin as UnfoldModelAdmin
    from django.contrib.admin import StackedInline, TabularInline
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.admin import ModelAdmin as UnfoldModelAdmin
    from unfold.admin import StackedInline, TabularInline

__all__ = [
    "NO_VALUE",
    "DayRangeFilter",
    "LongListAdmin",
    "ModelAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "StackedInline",
    "action",
    "change_address",
    "delete_one_by_one",
    "display",
    "link",
    "link_to",
    "list_address",
]

M = TypeVar("M", bound=Model)
P = TypeVar("P", bound=Model)
F = TypeVar("F", bound=Callable[..., Any])

NO_VALUE = "–"


class ModelAdmin(AuditedPages, UnfoldModelAdmin[M]):
    """What every page of the admin is, whatever it shows."""

    compressed_fields = False
    warn_unsaved_form = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        rows: QuerySet[M] = super().get_queryset(request)  # the one above knows no model
        return rows

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """A list is filtered by nothing that its pages do not show: `?shopper__startswith=a` would
        tell a hidden field letter by letter, and `?shopper=7` which rows are one person's."""
        if request is None or not super().lookup_allowed(lookup, value, request):
            return False
        try:
            field = self.model._meta.get_field(lookup.partition("__")[0])  # noqa: SLF001  # documented
        except FieldDoesNotExist:
            return True  # `pk`, or the parameter of a filter
        return field.name in self._names_shown(request) or getattr(field, "primary_key", False)

    def _names_shown(self, request: HttpRequest) -> set[str]:
        """Of the fields on the form, in the columns and in the filters."""
        filters = [each[0] if isinstance(each, tuple) else each
                   for each in self.get_list_filter(request)]  # fmt: skip
        named = (
            *flatten_fieldsets(self.get_fieldsets(request)),
            *self.get_list_display(request),
            *(each.partition("__")[0] for each in filters if isinstance(each, str)),
            *(getattr(each, "parameter_name", None) for each in filters),
            self.date_hierarchy,
        )
        return {each for each in named if isinstance(each, str)}


class LongListAdmin(ModelAdmin[M]):
    """A list of a table that may have millions of rows: a page costs the rows it shows."""

    paginator = EstimatingPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # counting each choice of each filter reads the whole table
    list_per_page = 50
    list_max_show_all = 0
    list_fullwidth = True

    def get_changelist_instance(self, request: HttpRequest) -> "ChangeList":
        changelist = super().get_changelist_instance(request)
        # The header would repeat the count, without saying that it is an estimate.
        changelist.full_result_count = changelist.result_count
        return changelist


class ReadOnlyAdmin(ModelAdmin[M]):
    """Rows that staff may read and only the platform writes. Any POST is refused."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class ReadOnlyInline(TabularInline[M, P]):
    """Rows of another table under a page, to read."""

    extra = 0
    can_delete = False
    show_change_link = False
    hide_title = True
    per_page = 20

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class DayRangeFilter(RangeDateFilter):  # type: ignore[misc]  # unfold is untyped
    """From the start of one day to the end of another, in the time zone of the shop."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        bounds = (("from", "gte", time.min), ("to", "lte", time.max))
        for end, lookup, moment in bounds:
            day = parse_date_str(self.used_parameters.get(f"{self.parameter_name}_{end}"))
            if day is not None:
                bound = timezone.make_aware(datetime.combine(day, moment))
                queryset = queryset.filter(**{f"{self.parameter_name}__{lookup}": bound})
        return queryset


def delete_one_by_one(rows: QuerySet[Any]) -> None:
    """Each by its own `delete()`, which drops what is cached of it; deleting a set would not."""
    for row in rows:
        row.delete()


def display(**options: Any) -> Callable[[F], F]:
    """Unfold's decorator of a column or a read-only field, with a type."""
    decorate: Callable[[F], F] = unfold_display(**options)
    return decorate


def action(**options: Any) -> Callable[[F], F]:
    """Unfold's decorator of a button on a page, with a type. Pressing it is recorded."""

    def decorate(run: F) -> F:
        decorated: F = unfold_action(**options)(recorded_view(run, str(options["description"])))
        return decorated

    return decorate


def change_address(row: Model) -> str:
    """The address of a row's page in the admin."""
    meta = row._meta  # noqa: SLF001  # documented by Django
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])


def list_address(model: type[Model], **filters: object) -> str:
    """The address of a model's list, filtered: `list_address(Event, shopper__id__exact=7)`."""
    meta = model._meta  # noqa: SLF001  # documented by Django
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return f"{address}?{query}" if query else address


def link(address: str, text: object) -> SafeString:
    """A link in the admin's style; both parts are escaped."""
    return format_html('<a class="text-link" href="{}">{}</a>', address, text)


def link_to(row: Model | None) -> SafeString | str:
    """A link to a row's page, or a dash."""
    return NO_VALUE if row is None else link(change_address(row), row)
