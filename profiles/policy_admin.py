"""The admin of what signals may do: proposed by one person, approved by another."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from profiles.policy import KINDS, approve, refuse
from profiles.policy_models import PolicyProposal, SensitiveTopic, SignalPolicy
from tenants.errors import DomainError
from tenants.pages import (
    ModelAdmin,
    ReadOnlyAdmin,
    action,
    change_address,
    delete_one_by_one,
    display,
)

TERMS = ("may_collect", "may_rank", "may_cite", "may_prompt", "sensitivity", "retention_days")
STATUS_LABELS = {"Proposed": "info", "Approved": "success", "Refused": "danger"}


@admin.register(SignalPolicy)
class SignalPolicyAdmin(ReadOnlyAdmin[SignalPolicy]):
    """The terms in force. A kind that is not listed may do what its default says; to change one,
    propose other terms."""

    list_display = ("signal_kind", *TERMS, "version")


class ProposalForm(forms.ModelForm[PolicyProposal]):
    signal_kind = forms.ChoiceField(
        choices=[(kind, kind.replace("_", " ").capitalize()) for kind in KINDS],
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = PolicyProposal
        fields = ("signal_kind", *TERMS, "why")


class RefusalForm(BaseDialogForm):  # type: ignore[misc]  # unfold is untyped
    reason = forms.CharField(max_length=500, widget=UnfoldAdminTextareaWidget)


@admin.register(PolicyProposal)
class PolicyProposalAdmin(ModelAdmin[PolicyProposal]):
    """What is proposed and what became of it: the policy's history. Never changed, never deleted;
    who proposed it cannot approve it."""

    form = ProposalForm
    list_display = (
        *("signal_kind", "state", "version", *TERMS),
        *("proposed_by", "proposed_at", "decided_by", "decided_at"),
    )
    list_filter = (("status", ChoicesDropdownFilter),)
    list_filter_submit = True
    fieldsets = (
        (None, {"fields": (("signal_kind", "sensitivity", "retention_days"), "why")}),
        ("It may", {"fields": (("may_collect", "may_rank"), ("may_cite", "may_prompt"))}),
    )
    decided = (
        ("What became of it", {"fields": (
            ("status", "version"), ("proposed_by", "proposed_at"),
            ("decided_by", "decided_at"), "decision",
        )}),
    )  # fmt: skip
    actions_detail = ("approve_this", "refuse_this")

    def get_fieldsets(self, request: HttpRequest, obj: PolicyProposal | None = None) -> Any:
        return self.fieldsets if obj is None else (*self.fieldsets, *self.decided)

    def has_change_permission(
        self, request: HttpRequest, obj: PolicyProposal | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: PolicyProposal | None = None
    ) -> bool:
        return False

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("profiles.decide_policyproposal"))

    def save_model(self, request: HttpRequest, obj: PolicyProposal, form: Any, change: Any) -> None:
        obj.proposed_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Nothing to decide about what is decided."""
        proposal = self.get_object(request, str(object_id))
        if proposal is None or proposal.status != PolicyProposal.Status.PROPOSED:
            return []
        return super().get_actions_detail(request, object_id)  # type: ignore[misc]  # unfold's

    @action(
        description="Approve",
        url_path="approve",
        permissions=["decide"],
        icon="check",
        dialog={
            "title": "Approve these terms?",
            "description": "They hold from the next request on.",
            "form_class": None,
            "form_submit_text": "Approve",
        },
    )
    def approve_this(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        proposal = PolicyProposal.objects.get(pk=object_id)
        try:
            policy = approve(proposal, by=request.user.get_username())
            messages.success(request, f"Version {policy.version} of “{policy}” is in force.")
        except DomainError as error:
            messages.error(request, error.detail)
        return HttpResponse(headers={"HX-Redirect": change_address(proposal)})

    @action(
        description="Refuse",
        url_path="refuse",
        permissions=["decide"],
        icon="close",
        dialog={
            "title": "Refuse these terms?",
            "description": "Nothing changes. Say why.",
            "form_class": RefusalForm,
            "form_submit_text": "Refuse",
        },
    )
    def refuse_this(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        proposal = PolicyProposal.objects.get(pk=object_id)
        try:
            note = form.cleaned_data["reason"]
            refuse(proposal, by=request.user.get_username(), note=note)
        except DomainError as error:
            messages.error(request, error.detail)
        return HttpResponse(headers={"HX-Redirect": change_address(proposal)})

    @display(description="Status", label=STATUS_LABELS)
    def state(self, proposal: PolicyProposal) -> str:
        return proposal.get_status_display()


@admin.register(SensitiveTopic)
class SensitiveTopicAdmin(ModelAdmin[SensitiveTopic]):
    """What gives away more than a taste. Never cited; ranked on only where it says so here."""

    list_display = ("value", "about", "topic", "may_rank")
    list_editable = ("may_rank",)
    search_fields = ("value", "topic")
    search_help_text = "A category, or a topic"

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        delete_one_by_one(queryset)
