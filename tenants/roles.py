"""What each role may do in the admin: one table, read when a permission is asked for.

A role is a field of the staff user and the table is code: there is nothing to create in a tenant,
old or new, and nothing that could fall out of step with a release.
"""

from dataclasses import dataclass
from functools import cache

from django.apps import apps
from django.db import models
from django.db.models import Model


class Role(models.TextChoices):
    """What a staff user is here for."""

    ADMINISTRATOR = "administrator", "Administrator"
    MERCHANDISER = "merchandiser", "Merchandiser"
    ANALYST = "analyst", "Analyst"
    PRIVACY_OFFICER = "privacy_officer", "Privacy officer"


@dataclass(frozen=True, slots=True)
class May:
    """What each role may do with the rows of a model, as the words that its permissions begin
    with. An administrator may do all of it."""

    merchandiser: str = ""
    analyst: str = ""
    privacy_officer: str = ""


EDITED = May(merchandiser="view add change delete", analyst="view")
READ = May(merchandiser="view", analyst="view")
PERSONAL = May(privacy_officer="view")
ADMINISTRATORS_ALONE = May()

TABLE: dict[str, May] = {
    "catalog.item": May(merchandiser="view add change", analyst="view"),
    "catalog.offer": May(merchandiser="view add change", analyst="view"),
    "catalog.feedimport": May(merchandiser="view add", analyst="view"),
    "catalog.feedrowerror": READ,
    "catalog.review": EDITED,
    "catalog.itemquality": READ,
    "catalog.qualityissue": May(merchandiser="view change", analyst="view"),
    "catalog.qualitypolicy": EDITED,
    "catalog.searchsynonym": EDITED,
    "profiles.shopper": PERSONAL,
    "profiles.identity": PERSONAL,
    "profiles.consent": PERSONAL,
    "profiles.consentchange": PERSONAL,
    "profiles.session": PERSONAL,
    "profiles.event": PERSONAL,
    "profiles.eventimport": May(analyst="view", privacy_officer="view"),
    "profiles.signalpolicy": May("view", "view", "view"),
    "profiles.policyproposal": May("view add", "view", "view add decide"),
    "profiles.sensitivetopic": May("view", "view", "view add change delete"),
    "profiles.consenttext": May("view", "view", "view add delete"),
    "profiles.privacyrequest": May(privacy_officer="view add decide"),
    "profiles.retentionrule": May("view", "view", "view add change delete"),
    "profiles.retentionrun": May("view", "view", "view"),
    "profiles.privacycontrol": May("view", "view", "view add change delete"),
    "recommendations.decision": PERSONAL,
    "recommendations.impression": PERSONAL,
    "recommendations.placement": EDITED,
    "recommendations.merchandisingrule": EDITED,
    "recommendations.segment": EDITED,
    "recommendations.rankerversion": May(merchandiser="view change", analyst="view"),
    "recommendations.itemneighbors": READ,
    "recommendations.itemcomplements": READ,
    "recommendations.itemfacts": READ,
    "recommendations.search": READ,
    "tenants.auditentry": May(privacy_officer="view export"),
    "tenants.staffuser": ADMINISTRATORS_ALONE,
    "tenants.apikey": ADMINISTRATORS_ALONE,
    "auth.group": ADMINISTRATORS_ALONE,
}
"""By model. Whatever tells of one shopper is for privacy officers: merchandisers and analysts see
what shoppers do all together, and never who."""

PERSONAL_PERMISSIONS = frozenset(
    "{}.view_{}".format(*label.split("."))
    for label, may in TABLE.items()
    if may.privacy_officer and not may.merchandiser and not may.analyst
)
"""To see what is one shopper's, or the audit trail."""


@cache
def permissions_of(role: str) -> frozenset[str]:
    """All permissions of a role, such as `catalog.view_item`; none for no role."""
    if role == Role.ADMINISTRATOR:
        return frozenset(name for model in apps.get_models() for name in _permissions_on(model))
    if role not in Role.values:
        return frozenset()
    found = set()
    for label, may in TABLE.items():
        app, _, model = label.partition(".")
        found |= {f"{app}.{word}_{model}" for word in getattr(may, role).split()}
    return frozenset(found)


def _permissions_on(model: type[Model]) -> set[str]:
    meta = model._meta  # noqa: SLF001  # documented
    codes = [f"{word}_{meta.model_name}" for word in meta.default_permissions]
    return {f"{meta.app_label}.{code}" for code in (*codes, *dict(meta.permissions))}


def administers(user: object) -> bool:
    """Whether the person may make others what they are: an administrator, or a superuser."""
    if not getattr(user, "is_active", False):
        return False
    return bool(getattr(user, "is_superuser", False)) or (
        getattr(user, "role", "") == Role.ADMINISTRATOR
    )
