"""The queue of shoppers' requests: written down, checked, decided, watched, and answered."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Case, CharField, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Cast
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RadioFilter
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from profiles import requests
from profiles.access import export_shopper
from profiles.erasure import ref_of
from profiles.identity import find_shopper
from profiles.models import PrivacyRequest, Purpose, Shopper
from profiles.request_form import RequestForm
from profiles.request_progress import due_words, told_of, told_of_progress
from profiles.tasks import run_privacy_requests
from tenants.audit import Verb, record
from tenants.errors import DomainError
from tenants.pages import (
    NO_VALUE,
    DayRangeFilter,
    LongListAdmin,
    ModelAdmin,
    action,
    change_address,
    display,
    link_to,
)
from tenants.tasks import current_schema

Kind, Status = PrivacyRequest.Kind, PrivacyRequest.Status

STATUS_LABELS = {
    "Received": "warning",
    "Identity checked": "info",
    "Approved": "info",
    "Running": "info",
    "Done": "success",
    "Denied": "danger",
}
STEPS: dict[str, tuple[str, ...]] = {
    Status.RECEIVED: ("check_identity", "deny_this", "extend_this"),
    Status.CHECKED: ("approve_this", "deny_this", "extend_this"),
}
"""What can be done about a request, by how far it is."""


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


class CheckForm(BaseDialogForm):  # type: ignore[misc]  # unfold is untyped
    how = forms.CharField(
        max_length=200,
        label="How it was checked",
        help_text="Such as: answered from the address on file, or showed an identity card.",
        widget=UnfoldAdminTextareaWidget,
    )


class DenialForm(BaseDialogForm):  # type: ignore[misc]  # unfold is untyped
    reason = forms.CharField(
        max_length=500, help_text="What the shopper is told.", widget=UnfoldAdminTextareaWidget
    )


class ExtensionForm(BaseDialogForm):  # type: ignore[misc]  # unfold is untyped
    reason = forms.CharField(
        max_length=500,
        label="Why it takes longer",
        help_text="What the shopper is told within the first month.",
        widget=UnfoldAdminTextareaWidget,
    )


@admin.register(PrivacyRequest)
class PrivacyRequestAdmin(LongListAdmin[PrivacyRequest], ModelAdmin[PrivacyRequest]):
    """What shoppers asked for. It is decided by the buttons; nothing else of it is changed, and
    nothing deleted."""

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
    actions_detail = (
        *("check_identity", "approve_this", "deny_this", "extend_this", "lift_this"),
        *("download_export", "download_certificate"),
    )
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

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("profiles.decide_privacyrequest"))

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

    # -- What can be done -------------------------------------------------------------------------

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """The steps that are next, and what there is to take away."""
        asked = self.get_object(request, str(object_id))
        if asked is None:
            return []
        names = set(STEPS.get(asked.status, ()))
        if asked.extended:
            names.discard("extend_this")
        if requests.restricted_by(asked) is not None:
            names.add("lift_this")
        if self._exported(asked) is not None:
            names.add("download_export")
        if asked.certificate:
            names.add("download_certificate")
        prefix = "profiles_privacyrequest_"
        found = super().get_actions_detail(request, object_id)  # type: ignore[misc]  # unfold's
        return [each for each in found if each.action_name.removeprefix(prefix) in names]

    @action(
        description="Identity checked",
        url_path="check-identity",
        permissions=["decide"],
        icon="badge",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "How was it made sure that the shopper asks?",
            "description": "Whoever sends somebody else's data away, or erases it, breaks the law.",
            "form_class": CheckForm,
            "form_submit_text": "It is the shopper",
        },
    )
    def check_identity(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        asked = _found(object_id)
        return self._step(
            request,
            asked,
            lambda by: requests.note_identity_check(asked, form.cleaned_data["how"], by=by),
            "The check is noted. The request can be approved now.",
        )

    @action(
        description="Approve",
        url_path="approve",
        permissions=["decide"],
        icon="check",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Approve this request?",
            "description": "A worker runs it within a minute. An erasure cannot be undone.",
            "form_class": None,
            "form_submit_text": "Approve",
        },
    )
    def approve_this(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        asked = _found(object_id)

        def approve(by: str) -> None:
            requests.approve(asked, by=by)
            run_privacy_requests.delay_on_commit(current_schema())

        return self._step(request, asked, approve, "Approved. A worker runs it within a minute.")

    @action(
        description="Deny",
        url_path="deny",
        permissions=["decide"],
        icon="close",
        dialog={
            "title": "Deny this request?",
            "description": "Nothing is done. The shopper is told why, and may complain.",
            "form_class": DenialForm,
            "form_submit_text": "Deny",
        },
    )
    def deny_this(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        asked = _found(object_id)
        return self._step(
            request,
            asked,
            lambda by: requests.deny(asked, form.cleaned_data["reason"], by=by),
            "Denied. Tell the shopper the reason.",
        )

    @action(
        description="Extend",
        url_path="extend",
        permissions=["decide"],
        icon="more_time",
        dialog={
            "title": "Answer two months later?",
            "description": "Allowed once, for requests that are complex or many.",
            "form_class": ExtensionForm,
            "form_submit_text": "Extend",
        },
    )
    def extend_this(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        asked = _found(object_id)
        return self._step(
            request,
            asked,
            lambda _by: requests.extend(asked, form.cleaned_data["reason"]),
            "Extended. Tell the shopper why.",
        )

    @action(
        description="Lift the restriction",
        url_path="lift",
        permissions=["decide"],
        icon="lock_open",
        dialog={
            "title": "Lift the restriction?",
            "description": "Tell the shopper before. No purpose is granted by it.",
            "form_class": None,
            "form_submit_text": "Lift it",
        },
    )
    def lift_this(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        asked = _found(object_id)
        return self._step(
            request, asked, lambda _by: requests.lift(asked), "Lifted. Purposes can be granted."
        )

    @action(
        description="Download the data",
        url_path="export",
        permissions=["decide"],
        icon="folder_zip",
        variant=ActionVariant.PRIMARY,
    )
    def download_export(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The ZIP, made now and kept nowhere; an entry of the audit trail."""
        asked = _found(object_id)
        shopper = self._exported(asked)
        if shopper is None:
            raise Http404
        return _file(export_shopper(shopper), "application/zip", f"request-{asked.pk}.zip")

    @action(
        description="Download the certificate",
        url_path="certificate",
        permissions=["decide"],
        icon="verified",
        variant=ActionVariant.PRIMARY,
    )
    def download_certificate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = _found(object_id)
        if not asked.certificate:
            raise Http404
        record(Verb.EXPORTED, asked, after={"file": "certificate"})
        content = json.dumps(asked.certificate, indent=2, ensure_ascii=False).encode()
        return _file(content, "application/json", f"certificate-{asked.pk}.json")

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
        context = told_of_progress(_found(object_id))
        return HttpResponse(
            render_to_string("admin/profiles/privacyrequest/progress.html", context, request)
        )

    def _exported(self, asked: PrivacyRequest) -> Shopper | None:
        """Whose data can be taken away: where it was asked for, and approved."""
        if asked.kind not in {Kind.ACCESS, Kind.PORTABILITY} or asked.status != Status.DONE:
            return None
        return find_shopper(ref_of(asked)) if asked.named else None

    def _step(
        self, request: HttpRequest, asked: PrivacyRequest, do: Any, done: str
    ) -> HttpResponse:
        try:
            do(request.user.get_username())
            messages.success(request, done)
        except DomainError as error:
            messages.error(request, error.detail)
        return HttpResponse(headers={"HX-Redirect": change_address(asked)})


def _found(object_id: str) -> PrivacyRequest:
    try:
        return PrivacyRequest.objects.get(pk=object_id)
    except (PrivacyRequest.DoesNotExist, ValidationError) as error:
        raise Http404 from error


def _file(content: bytes, content_type: str, name: str) -> HttpResponse:
    return HttpResponse(
        content,
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )
