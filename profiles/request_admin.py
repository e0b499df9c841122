"""The queue of shoppers' requests: found, written down, and watched."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, CharField, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RadioFilter

from profiles import requests
from profiles.models import PrivacyRequest, Purpose
from profiles.request_form import RequestForm
from profiles.request_progress import due_words, told_of, told_of_progress
from profiles.request_steps import RequestSteps, find_request
from tenants.pages import (
    NO_VALUE,
    DayRangeFilter,
    LongListAdmin,
    display,
    link_to,
)

Kind, Status = PrivacyRequest.Kind, PrivacyRequest.Status

STATUS_LABELS = {
    "Received": "warning",
    "Identity checked": "info",
    "Approved": "info",
    "Running": "info",
    "Done": "success",
    "Denied": "danger",
}
IS_OPEN = Q(status__in=PrivacyRequest.OPEN)
OPEN_FIRST = Case(When(IS_OPEN, then=Value(0)), default=Value(1), output_field=IntegerField()).asc()
DUE_FIRST = Case(When(IS_OPEN, then="due_at")).asc()


class DueFilter(RadioFilter):  # type: ignore[misc]  # unfold is untyped
    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("overdue", "Overdue"), ("over", "Answered or denied")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "open":
                return queryset.filter(IS_OPEN)
            case "overdue":
                return queryset.filter(IS_OPEN, due_at__lt=timezone.now())
            case "over":
                return queryset.exclude(IS_OPEN)
        return queryset


@admin.register(PrivacyRequest)
class PrivacyRequestAdmin(LongListAdmin[PrivacyRequest], RequestSteps):
    """What shoppers asked for. It is decided by the buttons (`profiles.request_steps`); nothing
    else of it is changed, and nothing deleted."""

    personal = True
    form = RequestForm
    list_display = ("asked", "shopper", "state", "due", "progress", "repeats", "came_by")
    list_filter = (
        DueFilter,
        ("kind", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
        ("received_at", DayRangeFilter),
    )
    list_filter_submit = True
    list_select_related = ("duplicate_of",)
    search_fields = ("named",)  # searched by `get_search_results`
    search_help_text = "A shopper's id, or the number of a request"
    sortable_by = ()
    ordering = (OPEN_FIRST, DUE_FIRST, "-received_at", "pk")  # type: ignore[assignment]  # Django takes expressions
    change_form_before_template = "admin/profiles/privacyrequest/request.html"
    add_fieldsets = (
        (None, {"fields": (("kind", "received_at"), ("named_by", "named"), "note")}),
        ("What exactly", {"fields": ("purposes", ("traits", "preferences"))}),
    )
    fieldsets = (
        ("The request", {"fields": (
            ("kind", "channel", "received_at"), ("named_by", "named"), "note", "asked_to_change",
        )}),
        ("What was decided", {"fields": (
            ("checked_at", "checked_by", "identity_check"),
            ("decided_at", "decided_by", "reason"),
            ("due_at", "extended", "finished_at"),
        )}),
    )  # fmt: skip
    readonly_fields = ("asked_to_change",)

    # -- Who may what -----------------------------------------------------------------------------

    def has_change_permission(
        self, request: HttpRequest, obj: PrivacyRequest | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: PrivacyRequest | None = None
    ) -> bool:
        return False

    # -- The list ---------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[PrivacyRequest]:
        return super().get_queryset(request).prefetch_related("steps")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PrivacyRequest], search_term: str
    ) -> tuple[QuerySet[PrivacyRequest], bool]:
        text = search_term.strip().replace("\x00", "")
        if not text:
            return queryset, False
        meant = Q(number__startswith=text.lower())
        for named_by in PrivacyRequest.Named:
            theirs = requests.same_shopper(requests.by_name(text, named_by))
            meant |= Q(pk__in=theirs.values("pk"))
        return queryset.alias(number=Cast("pk", CharField())).filter(meant), False

    @display(description="Request")
    def asked(self, request: PrivacyRequest) -> str:
        return str(request)

    @display(description="Shopper")
    def shopper(self, request: PrivacyRequest) -> str:
        return request.named or "(erased)"

    @display(description="Status", label=STATUS_LABELS)
    def state(self, request: PrivacyRequest) -> str:
        return request.get_status_display()

    @display(description="Due", label={"overdue": "danger", "soon": "warning", "open": "info"})
    def due(self, request: PrivacyRequest) -> tuple[str, str] | str:
        return due_words(request) if request.is_open else NO_VALUE

    @display(description="Stores")
    def progress(self, request: PrivacyRequest) -> str:
        steps = list(request.steps.all())
        done = sum(1 for step in steps if step.done_at)
        return f"{done} of {len(steps)}" if steps else NO_VALUE

    @display(description="Repeats")
    def repeats(self, request: PrivacyRequest) -> SafeString | str:
        return link_to(request.duplicate_of)

    @display(description="Came by")
    def came_by(self, request: PrivacyRequest) -> str:
        return request.get_channel_display()

    # -- One request ------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: PrivacyRequest | None = None) -> Any:
        return self.add_fieldsets if obj is None else self.fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: PrivacyRequest | None = None) -> Any:
        return () if obj is None else self.readonly_fields

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        asked: PrivacyRequest | None = kwargs.get("obj")
        if asked is not None:
            context |= told_of(asked)
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Asked to change")
    def asked_to_change(self, request: PrivacyRequest) -> str:
        parts = [
            f"{name}: {value if value not in (None, '') else '(removed)'}"
            for of in ("traits", "preferences")
            for name, value in request.changes.get(of, {}).items()
        ]
        parts += [Purpose(each).label for each in request.purposes if each in Purpose.values]
        return ", ".join(parts) or NO_VALUE

    def save_model(self, request: HttpRequest, obj: PrivacyRequest, form: Any, change: Any) -> None:
        obj.channel = PrivacyRequest.Channel.STAFF
        requests.take_in(obj)
        if obj.duplicate_of is not None:
            messages.warning(request, f"It repeats {obj.duplicate_of}, which is open.")

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        # `take_in` has recorded it, with its kind.
        return admin.ModelAdmin.log_addition(self, request, obj, message)

    def get_urls(self) -> list[URLPattern]:
        progress = path(
            "<path:object_id>/progress/",
            self.admin_site.admin_view(self.progress_view),
            name="profiles_privacyrequest_progress",
        )
        return [progress, *super().get_urls()]

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How far a request is, which its page asks for again and again. Counts alone, so looking
        is no entry."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = told_of_progress(find_request(object_id))
        return HttpResponse(
            render_to_string("admin/profiles/privacyrequest/progress.html", context, request)
        )
