"""The audit trail's page: to search, to filter, to read one entry, and to take away as CSV."""

import json
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_tenants.utils import schema_context
from unfold.contrib.filters.admin import DropdownFilter

from tenants.acting import ActorKind
from tenants.audit import About, Verb, record
from tenants.audit_models import AuditEntry
from tenants.audited import how_narrowed
from tenants.csv_lines import csv_lines
from tenants.pages import NO_VALUE, DayRangeFilter, LongListAdmin, ReadOnlyAdmin, display, link
from tenants.tasks import current_schema

BATCH = 1_000

COLUMNS = (
    *("number", "at", "actor_kind", "actor_id", "actor", "verb", "kind", "object_id", "label"),
    *("before", "after", "address", "request_id", "previous_hash", "hash"),
)
"""Of the CSV file: all that is hashed, so that whoever has the file can verify it."""

LOOKS = "info"
VERB_LABELS = {
    Verb.ADDED: "success",
    Verb.CHANGED: "warning",
    Verb.DELETED: "danger",
    Verb.VIEWED: LOOKS,
    Verb.LISTED: LOOKS,
    Verb.EXPORTED: LOOKS,
    Verb.KEY_MINTED: "success",
    Verb.KEY_REVOKED: "danger",
    Verb.LOG_IN_FAILED: "danger",
    Verb.LOCKED_OUT: "danger",
    Verb.SECOND_FACTOR_ADDED: "success",
    Verb.SECOND_FACTOR_RESET: "warning",
}


class VerbFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    title = "what was done"
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(verb.value, verb.value.capitalize()) for verb in Verb]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(verb=self.value()) if self.value() else queryset


class ActorKindFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    title = "kind of author"
    parameter_name = "actor_kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.value, kind.value.replace("_", " ").capitalize()) for kind in ActorKind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(actor_kind=self.value()) if self.value() else queryset


class KindFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    title = "kind of object"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        metas = [model._meta for model in admin.site._registry]  # noqa: SLF001  # documented
        return sorted(
            ((meta.label_lower, str(meta.verbose_name).capitalize()) for meta in metas),
            key=lambda pair: pair[1],
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin[AuditEntry], LongListAdmin[AuditEntry]):
    """Who did what. Nobody changes it here, nor anywhere else."""

    list_display = ("moment", "who", "did", "object_name", "what_changed", "address")
    list_filter = (VerbFilter, ActorKindFilter, KindFilter, ("at", DayRangeFilter))
    list_filter_submit = True
    list_before_template = "admin/tenants/auditentry/export.html"
    search_fields = ("actor",)  # searched by `get_search_results`
    search_help_text = "A person's or key's name, an object's name or id, an address, a request id"
    ordering = ("-number",)
    sortable_by = ()
    change_form_before_template = "admin/tenants/auditentry/changes.html"
    fields = (
        ("moment", "who", "did"),
        ("object_name", "object_id"),
        ("address", "request_id", "number"),
        "hash",
        "previous_hash",
    )
    readonly_fields = ("moment", "who", "did", "object_name")

    def get_urls(self) -> list[URLPattern]:
        export = path(
            "export/", self.admin_site.admin_view(self.export), name="tenants_auditentry_export"
        )
        return [export, *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        text = search_term.strip().replace("\x00", "")
        if not text:
            return queryset, False
        exact = Q(object_id=text) | Q(address=text) | Q(request_id=text)
        return queryset.filter(exact | Q(actor__iexact=text) | Q(label__icontains=text)), False

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tenants.export_auditentry")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {"may_export": self.has_export_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        entry: AuditEntry = kwargs["obj"]
        context["changes"] = [
            {"field": name.replace("_", " "), "before": entry.before.get(name, NO_VALUE),
             "after": entry.after.get(name, NO_VALUE)}
            for name in {**entry.before, **entry.after}
        ]  # fmt: skip
        return super().render_change_form(request, context, *args, **kwargs)

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """The entries of the list as it is filtered, the oldest first, and an entry of its own."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        chosen = self.get_changelist_instance(request).queryset.order_by("number")
        last = AuditEntry.objects.values_list("number", flat=True).first() or 0
        record(
            Verb.EXPORTED,
            About("tenants.auditentry", label="audit trail"),
            after=how_narrowed(request),
        )
        return StreamingHttpResponse(
            csv_lines(COLUMNS, _read(chosen.filter(number__lte=last), schema=current_schema())),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="audit-trail.csv"'},
        )

    @display(description="When")
    def moment(self, entry: AuditEntry) -> str:
        return f"{timezone.localtime(entry.at):%d %b %Y, %H:%M:%S}"

    @display(description="Who", ordering="actor")
    def who(self, entry: AuditEntry) -> str:
        kind = "" if entry.actor_kind == ActorKind.STAFF else entry.actor_kind.replace("_", " ")
        return f"{entry.actor} ({kind})" if entry.actor and kind else entry.actor or kind

    @display(description="Did", label=VERB_LABELS)
    def did(self, entry: AuditEntry) -> str:
        return entry.verb

    @display(description="Object")
    def object_name(self, entry: AuditEntry) -> SafeString | str:
        if not entry.kind:
            return NO_VALUE
        name = entry.label or entry.object_id
        try:
            kind = str(apps.get_model(entry.kind)._meta.verbose_name)  # noqa: SLF001  # documented
            address = f"admin:{entry.kind.replace('.', '_')}_change"
            shown = link(reverse(address, args=[entry.object_id]), name)
        except (LookupError, NoReverseMatch):
            return name
        return name if not entry.object_id or kind == name else shown

    @display(description="What")
    def what_changed(self, entry: AuditEntry) -> str:
        if entry.verb == Verb.LISTED:
            return f"{entry.after.get('rows', 0)} rows"
        names = [name.replace("_", " ") for name in {**entry.before, **entry.after}]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return ", ".join(names[:3]) + more or NO_VALUE


def _read(entries: QuerySet[AuditEntry], *, schema: str) -> Iterator[list[object]]:
    """A row of the file for each entry, a batch at a time: the response is read when the
    request's schema has been left already."""
    last = 0
    while True:
        with schema_context(schema):
            batch = list(entries.filter(number__gt=last)[:BATCH])
        for entry in batch:
            yield [_cell(getattr(entry, column)) for column in COLUMNS]
        if len(batch) < BATCH:
            return
        last = batch[-1].number


def _cell(value: Any) -> object:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return value.isoformat() if hasattr(value, "isoformat") else value
