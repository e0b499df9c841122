"""What staff can do about a shopper's request: the buttons of its page, each in its turn."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from profiles import requests
from profiles.access import export_shopper
from profiles.erasure import ref_of
from profiles.identity import find_shopper
from profiles.models import PrivacyRequest, Shopper
from profiles.tasks import run_privacy_requests
from tenants.audit import Verb, record
from tenants.errors import DomainError
from tenants.pages import ModelAdmin, action, change_address
from tenants.tasks import current_schema

Kind, Status = PrivacyRequest.Kind, PrivacyRequest.Status

NEXT: dict[str, tuple[str, ...]] = {
    Status.RECEIVED: ("check_identity", "deny_this", "extend_this"),
    Status.CHECKED: ("approve_this", "deny_this", "extend_this"),
}
"""What can be done about a request, by how far it is."""

Said = Mapping[str, str]
Do = Callable[[PrivacyRequest, Said, str], None]
"""Takes a request, what was typed and who typed it a step further. Raises DomainError."""


class CheckForm(BaseDialogForm):  # type: ignore[misc]  # unfold is untyped
    how = forms.CharField(
        max_length=200,
        label="How it was checked",
        help_text="Such as: answered from the address on file, or showed an identity card.",
        widget=UnfoldAdminTextareaWidget,
    )


class DenialForm(BaseDialogForm):  # type: ignore[misc]  # unfold is untyped
    reason = forms.CharField(
        max_length=500,
        help_text="What the shopper is told.",
        widget=UnfoldAdminTextareaWidget,
    )


class ExtensionForm(BaseDialogForm):  # type: ignore[misc]  # unfold is untyped
    reason = forms.CharField(
        max_length=500,
        label="Why it takes longer",
        help_text="What the shopper is told within the first month.",
        widget=UnfoldAdminTextareaWidget,
    )


def step(
    do: Do,
    name: str,
    *,
    path: str,
    icon: str,
    title: str,
    text: str,
    done: str,
    button: str = "",
    form: type[BaseDialogForm] | None = None,
    variant: ActionVariant | None = None,
) -> Any:
    """A button that asks before it takes a request a step further, and says what became of it."""

    def press(_: Any, request: HttpRequest, given: Any, object_id: str) -> HttpResponse:
        asked = find_request(object_id)
        try:
            do(asked, given.cleaned_data, request.user.get_username())
            messages.success(request, done)
        except DomainError as error:
            messages.error(request, error.detail)
        return HttpResponse(headers={"HX-Redirect": change_address(asked)})

    dialog = {
        "title": title,
        "description": text,
        "form_class": form,
        "form_submit_text": button or name,
    }
    return action(
        description=name, url_path=path, permissions=["decide"], icon=icon, variant=variant,
        dialog=dialog,
    )(press)  # fmt: skip


def _approve(asked: PrivacyRequest, _said: Said, by: str) -> None:
    requests.approve(asked, by=by)
    run_privacy_requests.delay_on_commit(current_schema())


class RequestSteps(ModelAdmin[PrivacyRequest]):
    """The buttons of a request's page."""

    actions_detail = (
        *("check_identity", "approve_this", "deny_this", "extend_this", "lift_this"),
        *("download_export", "download_certificate"),
    )

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("profiles.decide_privacyrequest"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """The steps that are next, and what there is to take away."""
        asked = self.get_object(request, str(object_id))
        if asked is None:
            return []
        names = set(NEXT.get(asked.status, ()))
        if asked.extended:
            names.discard("extend_this")
        if requests.restricted_by(asked) is not None:
            names.add("lift_this")
        if _exported(asked) is not None:
            names.add("download_export")
        if asked.certificate:
            names.add("download_certificate")
        prefix = "profiles_privacyrequest_"
        found = super().get_actions_detail(request, object_id)  # type: ignore[misc]  # unfold's
        return [each for each in found if each.action_name.removeprefix(prefix) in names]

    check_identity = step(
        lambda asked, said, by: requests.note_identity_check(asked, said["how"], by=by),
        "Identity checked",
        path="check-identity",
        icon="badge",
        variant=ActionVariant.PRIMARY,
        title="How was it made sure that the shopper asks?",
        text="Whoever sends somebody else's data away, or erases it, breaks the law.",
        form=CheckForm,
        button="It is the shopper",
        done="The check is noted. The request can be approved now.",
    )
    approve_this = step(
        _approve,
        "Approve",
        path="approve",
        icon="check",
        variant=ActionVariant.PRIMARY,
        title="Approve this request?",
        text="A worker runs it within a minute. An erasure cannot be undone.",
        done="Approved. A worker runs it within a minute.",
    )
    deny_this = step(
        lambda asked, said, by: requests.deny(asked, said["reason"], by=by),
        "Deny",
        path="deny",
        icon="close",
        title="Deny this request?",
        text="Nothing is done. The shopper is told why, and may complain.",
        form=DenialForm,
        done="Denied. Tell the shopper the reason.",
    )
    extend_this = step(
        lambda asked, said, _by: requests.extend(asked, said["reason"]),
        "Extend",
        path="extend",
        icon="more_time",
        title="Answer two months later?",
        text="Allowed once, for requests that are complex or many.",
        form=ExtensionForm,
        done="Extended. Tell the shopper why.",
    )
    lift_this = step(
        lambda asked, _said, _by: requests.lift(asked),
        "Lift the restriction",
        path="lift",
        icon="lock_open",
        title="Lift the restriction?",
        text="Tell the shopper before. No purpose is granted by it.",
        button="Lift it",
        done="Lifted. Purposes can be granted.",
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
        asked = find_request(object_id)
        shopper = _exported(asked)
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
        asked = find_request(object_id)
        if not asked.certificate:
            raise Http404
        record(Verb.EXPORTED, asked, after={"file": "certificate"})
        content = json.dumps(asked.certificate, indent=2, ensure_ascii=False).encode()
        return _file(content, "application/json", f"certificate-{asked.pk}.json")


def find_request(object_id: str) -> PrivacyRequest:
    """The request of an address. Raises Http404."""
    try:
        return PrivacyRequest.objects.get(pk=object_id)
    except (PrivacyRequest.DoesNotExist, ValidationError) as error:
        raise Http404 from error


def _exported(asked: PrivacyRequest) -> Shopper | None:
    """Whose data can be taken away: where it was asked for, and approved."""
    if asked.kind not in {Kind.ACCESS, Kind.PORTABILITY} or asked.status != Status.DONE:
        return None
    return find_shopper(ref_of(asked)) if asked.named else None


def _file(content: bytes, content_type: str, name: str) -> HttpResponse:
    return HttpResponse(
        content,
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )
