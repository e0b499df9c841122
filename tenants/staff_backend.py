"""Which permissions a staff user has, for Django to ask."""

from django.contrib.auth.backends import ModelBackend
from django.db.models import Model

from tenants.roles import permissions_of


class RoleBackend(ModelBackend):
    """Django's own, and beside the permissions given by hand and by group those of the role."""

    def get_group_permissions(self, user_obj: object, obj: Model | None = None) -> set[str]:
        given = super().get_group_permissions(user_obj, obj)  # type: ignore[arg-type]  # any user
        if obj is not None or not getattr(user_obj, "is_active", False):
            return given
        return given | permissions_of(getattr(user_obj, "role", ""))
