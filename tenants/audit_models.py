"""The audit trail's rows: entries and their head in each tenant's schema, seals in `public`."""

from typing import Any, NoReturn

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now


class AppendOnly(TypeError):
    """Somebody tried to change or delete an entry. The database refuses it, too."""


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def update(self, **_values: Any) -> NoReturn:
        raise AppendOnly("Entries are never changed.")

    def delete(self) -> NoReturn:
        raise AppendOnly("Entries are never deleted.")


class AuditEntry(models.Model):
    """Who did what to which object. Written by `tenants.audit.record` alone.

    A trigger sets `number`, `at` and both hashes and refuses every later change
    (tenants/migrations). `hash` is the SHA-256 of the rest and of the hash before it, see
    `tenants.audit_chain`.
    """

    number = models.BigIntegerField(db_default=0, unique=True, editable=False)
    at = models.DateTimeField(db_default=Now(), editable=False, db_index=True)
    actor_kind = models.CharField("kind of author", max_length=10)
    actor_id = models.CharField(max_length=40, blank=True)
    actor = models.CharField("who", max_length=200, blank=True)
    verb = models.CharField("did", max_length=40)
    kind = models.CharField("kind of object", max_length=100, blank=True)
    object_id = models.CharField("object's id", max_length=64, blank=True)
    label = models.CharField("object", max_length=200, blank=True)
    before = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    after = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    address = models.CharField("IP address", max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    previous_hash = models.CharField(max_length=64, db_default="", editable=False)
    hash = models.CharField(max_length=64, db_default="", editable=False)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        verbose_name_plural = "audit entries"
        default_permissions = ("view",)
        permissions = [("export_auditentry", "Can export the audit trail")]
        indexes = [
            models.Index(fields=["kind", "object_id"], name="audit_object"),
            models.Index(fields=["actor", "at"], name="audit_actor"),
        ]

    def __str__(self) -> str:
        return f"entry {self.number}"

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise AppendOnly("Entries are never deleted.")


class AuditHead(models.Model):
    """Number and hash of the last entry: one row, moved by the trigger that numbers entries.

    Its lock is what writers queue at, and what tells a cut tail.
    """

    number = models.BigIntegerField()
    hash = models.CharField(max_length=64, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="audit_head_is_one_row")
        ]

    def __str__(self) -> str:
        return f"head at {self.number}"


class AuditSeal(models.Model):
    """Where a tenant's trail stood at some moment, signed with the secret key, in `public`."""

    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    number = models.BigIntegerField()
    hash = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True)
    signature = models.CharField(max_length=100)

    class Meta:
        ordering = ["number"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["tenant", "number"], name="one_seal_each")]

    def __str__(self) -> str:
        return f"seal at {self.number}"
