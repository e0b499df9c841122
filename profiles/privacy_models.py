"""What shoppers ask for under data protection law, and how far each request is.

The shopper is named by text here, for `profiles.models` imports this module.
"""

import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

ANSWERED_WITHIN = timedelta(days=30)
"""GDPR, Article 12(3): one month. The shortest month but February."""

EXTENDED_BY = timedelta(days=60)
"""What the same paragraph allows beyond that, once, where the shopper is told why: two months."""


def answer_due() -> datetime:
    return timezone.now() + ANSWERED_WITHIN


class PrivacyRequestQuerySet(models.QuerySet["PrivacyRequest"]):
    def open(self) -> Self:
        return self.filter(status__in=PrivacyRequest.OPEN)

    def overdue(self, now: datetime) -> Self:
        return self.open().filter(due_at__lt=now)

    def to_be_run(self) -> Self:
        """Approved, and not yet at their end: waiting, or interrupted."""
        return self.filter(
            status__in=[PrivacyRequest.Status.APPROVED, PrivacyRequest.Status.RUNNING]
        )


class PrivacyRequest(models.Model):
    """One request of one shopper, from its arrival to its answer.

    What names the shopper is wiped when an erasure is done: `digest` stays, by which the same id is
    recognized and nobody is found.
    """

    class Kind(models.TextChoices):
        ACCESS = "access", "Access: what is held on me"
        PORTABILITY = "portability", "Portability: give me my data"
        RECTIFICATION = "rectification", "Rectification: this is wrong"
        OBJECTION = "objection", "Objection: do not use it for this"
        RESTRICTION = "restriction", "Restriction: keep it, use it for nothing"
        ERASURE = "erasure", "Erasure: delete me"

    class Status(models.TextChoices):
        RECEIVED = "received", "Received"
        CHECKED = "checked", "Identity checked"
        APPROVED = "approved", "Approved"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        DENIED = "denied", "Denied"

    class Channel(models.TextChoices):
        API = "api", "The shop's server"
        STAFF = "staff", "Staff"
        REPLAY = "replay", "A restored backup"

    class Named(models.TextChoices):
        KNOWN = "known", "The shop's own id"
        ANONYMOUS = "anonymous", "A device or cookie"

    OPEN = (Status.RECEIVED, Status.CHECKED, Status.APPROVED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind)
    named_by = models.CharField(
        max_length=10, choices=Named, default=Named.KNOWN, verbose_name="named by"
    )
    named = models.CharField(
        max_length=200, blank=True, verbose_name="shopper", help_text="The id, as the shop uses it."
    )
    digest = models.CharField(max_length=64, db_index=True, editable=False)
    channel = models.CharField(max_length=10, choices=Channel, default=Channel.STAFF)
    note = models.TextField(blank=True, help_text="What the shopper asked for, in short.")
    changes = models.JSONField(
        default=dict,
        blank=True,
        help_text="Rectification: the right values, as"
        ' {"traits": {"name": "Ann"}, "preferences": {}}. An empty value is removed.',
    )
    purposes = ArrayField(
        models.CharField(max_length=20),
        default=list,
        blank=True,
        help_text="Objection: the purposes to end, separated by commas. All, if empty.",
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.RECEIVED)
    received_at = models.DateTimeField(
        default=timezone.now, help_text="When the shopper asked: the month runs from then on."
    )
    due_at = models.DateTimeField(default=answer_due)
    extended = models.CharField(
        max_length=500, blank=True, default="", help_text="Why the answer takes longer."
    )
    duplicate_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="duplicates"
    )
    checked_at = models.DateTimeField(null=True, editable=False)
    checked_by = models.CharField(max_length=200, blank=True, editable=False)
    identity_check = models.CharField(
        max_length=200, blank=True, help_text="How it was made sure that the shopper asks."
    )
    decided_at = models.DateTimeField(null=True, editable=False)
    decided_by = models.CharField(max_length=200, blank=True, editable=False)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it was denied.")
    subject = models.JSONField(
        default=dict, editable=False, help_text="An erasure's: every id of the shopper, until done."
    )
    sealed_at = models.DateTimeField(
        null=True, editable=False, help_text="From then on nothing finds or uses the shopper."
    )
    finished_at = models.DateTimeField(null=True, editable=False)
    failure = models.CharField(max_length=500, blank=True, editable=False)
    certificate = models.JSONField(null=True, editable=False)

    objects: ClassVar[models.Manager["PrivacyRequest"]] = PrivacyRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at"]
        default_permissions = ("add", "view")
        permissions = [("decide_privacyrequest", "Can check, approve and deny shoppers' requests")]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="privacy_request_due",
                condition=Q(status__in=["received", "checked", "approved", "running"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display().partition(':')[0]} {str(self.pk)[:8]}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def is_under_way(self) -> bool:
        """Whether it is a worker's turn."""
        return self.status in {self.Status.APPROVED, self.Status.RUNNING}


class RequestStep(models.Model):
    """One store on the way of a request: what it held when the request began, what it holds now."""

    request = models.ForeignKey(PrivacyRequest, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    store = models.CharField(max_length=60)
    found = models.PositiveIntegerField()
    remaining = models.PositiveIntegerField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["request", "position"]
        constraints = [
            models.UniqueConstraint("request", "store", name="request_step_once_a_store"),
        ]

    def __str__(self) -> str:
        return self.store
