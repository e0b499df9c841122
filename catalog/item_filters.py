"""By what staff narrow the list of items."""

from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, RadioFilter

from catalog.models import Item

DEPARTMENTS_CACHED_FOR = timedelta(minutes=1)
MAX_DEPARTMENTS = 200

Choices = list[tuple[str, str]]


class DepartmentFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """The widest categories there are. Finding them reads the whole table, hence the cache."""

    title = "department"
    parameter_name = "department"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        names = cache.get("admin:departments")
        if names is None:
            paths = Item.objects.exclude(category_path=[]).order_by("category_path__0")
            first = paths.values_list("category_path__0", flat=True).distinct()
            names = list(first[:MAX_DEPARTMENTS])
            cache.set("admin:departments", names, DEPARTMENTS_CACHED_FOR.total_seconds())
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Item]) -> QuerySet[Item]:
        name = self.value()
        return queryset.filter(category_path__contains=[name]) if name else queryset


class AvailabilityFilter(RadioFilter):  # type: ignore[misc]  # unfold is untyped
    title = "availability"
    parameter_name = "availability"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [
            ("available", "Available"),
            ("sold_out", "Sold out"),
            ("unavailable", "Not available"),
            ("archived", "Archived"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Item]) -> QuerySet[Item]:
        match self.value():
            case "available":
                return queryset.filter(available=True, archived_at=None).exclude(offer__stock=0)
            case "sold_out":
                return queryset.filter(available=True, archived_at=None, offer__stock=0)
            case "unavailable":
                return queryset.filter(available=False, archived_at=None)
            case "archived":
                return queryset.exclude(archived_at=None)
        return queryset


class EmbeddingFilter(RadioFilter):  # type: ignore[misc]  # unfold is untyped
    title = "embedding"
    parameter_name = "embedding"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("current", "Up to date"), ("waiting", "Waiting")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Item]) -> QuerySet[Item]:
        match self.value():
            case "current":
                return queryset.filter(embedding__updated_at__gte=F("updated_at"))
            case "waiting":
                return queryset.filter(
                    Q(embedding=None) | Q(embedding__updated_at__lt=F("updated_at"))
                )
        return queryset
