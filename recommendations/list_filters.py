"""By what staff narrow the lists of decisions and of what training learned."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, RadioFilter

from recommendations.models import Placement, RankerVersion

VERSIONS_TO_CHOOSE = 20


class RankerFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    title = "ranker version"
    parameter_name = "ranker"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        versions = RankerVersion.objects.only("pk", "status").order_by("-pk")[:VERSIONS_TO_CHOOSE]
        return [(str(v.pk), f"{v}, {v.get_status_display().lower()}") for v in versions]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(ranker=chosen) if chosen and chosen.isdecimal() else queryset


class PlacementCodeFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    title = "placement"
    parameter_name = "placement"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        codes = Placement.objects.values_list("code", flat=True)
        return [(code, code) for code in codes]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(placement=self.value()) if self.value() else queryset


class FallbackFilter(RadioFilter):  # type: ignore[misc]  # unfold is untyped
    title = "fallback"
    parameter_name = "fallback"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("any", "With a fallback"), ("none", "Without")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "any":
                return queryset.exclude(fallbacks=[])
            case "none":
                return queryset.filter(fallbacks=[])
        return queryset
