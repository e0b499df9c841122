"""The admin of who may come in: staff users, groups and API keys."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

import tenants.audit_admin  # noqa: F401  # registers itself
from tenants.browser_keys import rotate_token_secret, token_secret
from tenants.keys import forget_key, mint_key, revoke_key
from tenants.models import BROWSER_SCOPES, ApiKey, Scope, StaffUser
from tenants.pages import ModelAdmin, display
from tenants.roles import administers
from tenants.two_factor_pages import forget_second_factor

admin.site.unregister([Group, TOTPDevice, StaticDevice])


@admin.register(StaffUser)
class StaffUserAdmin(DjangoUserAdmin[StaffUser], ModelAdmin[StaffUser]):
    """People of this tenant's admin. Only a superuser makes, changes or becomes one, and only an
    administrator makes another."""

    actions = ("reset_second_factor",)
    personal_fields = frozenset({"email", "first_name", "last_name"})
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "role", "is_active", "last_login")
    list_filter = ("role", "is_staff", "is_superuser", "is_active", "groups")
    fieldsets = (
        (None, {"fields": ("username", "password", "role")}),
        *(DjangoUserAdmin.fieldsets or ())[1:],
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2", "role")}),
    )

    def has_change_permission(self, request: HttpRequest, obj: StaffUser | None = None) -> bool:
        # Whoever may set a superuser's password or e-mail is one.
        return super().has_change_permission(request, obj) and not self._is_above(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: StaffUser | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not self._is_above(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: StaffUser | None = None) -> list[str]:
        always = ["last_login", "date_joined"]
        if request.user.is_superuser:
            return always
        if administers(request.user):
            return [*always, "is_superuser"]
        return [*always, "is_superuser", "role", "groups", "user_permissions"]

    def save_model(self, request: HttpRequest, obj: StaffUser, form: Any, change: Any) -> None:
        if obj.role:
            obj.is_staff = True  # a role is one in this admin
        super().save_model(request, obj, form, change)

    def has_reset_permission(self, request: HttpRequest) -> bool:
        return administers(request.user)

    @admin.action(description="Reset the second factor", permissions=["reset"])
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[StaffUser]) -> None:
        chosen = [user for user in queryset if not self._is_above(request, user)]
        for user in chosen:
            forget_second_factor(user)
        names = ", ".join(user.username for user in chosen)
        messages.success(request, f"Logged out; their next log-in adds a new one: {names}.")

    @staticmethod
    def _is_above(request: HttpRequest, staff_user: StaffUser | None) -> bool:
        if staff_user is None or request.user.is_superuser:
            return False
        return staff_user.is_superuser or (
            administers(staff_user) and not administers(request.user)
        )


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin[Group]):
    """Sets of permissions, such as those of a merchandiser. Whoever changes one may raise
    themselves or others by it, so only an administrator does."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and administers(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return super().has_change_permission(request, obj) and administers(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return super().has_delete_permission(request, obj) and administers(request.user)


class ApiKeyForm(forms.ModelForm[ApiKey]):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Give a key no more than its program needs.",
    )

    class Meta:
        model = ApiKey
        fields = (
            *("name", "scopes", "requests_per_minute"),
            *("allowed_origins", "shopper_requests_per_minute"),
        )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        given = self.cleaned_data
        was_secret = self.instance.pk and self.instance.kind == ApiKey.Kind.SECRET
        if given.get("allowed_origins"):
            if was_secret:
                self.add_error("allowed_origins", "A secret key is for servers: mint another.")
            if set(given.get("scopes", ())) - BROWSER_SCOPES:
                self.add_error("scopes", "With origins it is for browsers: not these scopes.")
        elif self.instance.pk and not was_secret:
            self.add_error("allowed_origins", "A publishable key needs an origin.")
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin[ApiKey]):
    """Keys are minted, changed and revoked, never deleted: who had access stays on record."""

    form = ApiKeyForm
    list_display = ("name", "begins_with", "status", "scope_list", "last_used_at", "created_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "prefix")
    actions = ("revoke_keys", "rotate_token_secrets")

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return [*ApiKeyForm.Meta.fields, *self.get_readonly_fields(request, obj)]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        return ["begins_with", "created_at", "last_used_at", "revoked_at"] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        ended = obj is not None and obj.revoked
        return super().has_change_permission(request, obj) and not ended

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    @admin.action(description="Rotate the token secret", permissions=["revoke"])
    def rotate_token_secrets(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.filter(kind=ApiKey.Kind.PUBLISHABLE, revoked_at=None):
            self._show_token_secret(request, key, rotate_token_secret(key))

    def _show_token_secret(self, request: HttpRequest, key: ApiKey, secret: str) -> None:
        key.refresh_from_db(fields=["token_version"])
        messages.warning(
            request,
            format_html(
                "Tokens for “{}” are signed with this secret, version {}, on your server only."
                " The one before stays good for a day: <code>{}</code>",
                key.name,
                key.token_version,
                secret,
            ),
        )

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: Any) -> None:
        if change:
            super().save_model(request, obj, form, change)
            # Not before the commit: a request in between would cache the old scopes again.
            transaction.on_commit(lambda: forget_key(obj))
            return
        minted, text = mint_key(
            obj.name,
            scopes=obj.scopes,
            requests_per_minute=obj.requests_per_minute,
            origins=obj.allowed_origins,
            shopper_requests_per_minute=obj.shopper_requests_per_minute,
        )
        if minted.kind == ApiKey.Kind.PUBLISHABLE:
            self._show_token_secret(request, minted, token_secret(minted))
        obj.pk, obj.prefix = minted.pk, minted.prefix
        # A message travels in a signed cookie of this one browser: the key rests on no server.
        messages.warning(
            request,
            format_html(
                "This is the key “{}”. Copy it now, it cannot be shown again: <code>{}</code>",
                obj.name,
                text,
            ),
        )

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revoked = list(queryset.filter(revoked_at=None))
        for key in revoked:
            revoke_key(key)
        names = ", ".join(key.name for key in revoked)
        messages.success(
            request, f"Revoked: {names}." if revoked else "These keys were revoked before."
        )

    @display(description="Begins with")
    def begins_with(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @display(description="Status", label={"usable": "success", "revoked": "danger"})
    def status(self, key: ApiKey) -> str:
        return "revoked" if key.revoked else "usable"

    @display(description="Scopes")
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)
