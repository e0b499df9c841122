"""Requests of shoppers: from their arrival over the check of who asks to the answer.

`open_request` -> `note_identity_check` -> `approve` or `deny` -> `run`. The shop's server, which
knows its customers, opens them checked and approved.
"""

import logging
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from profiles.consent import record_consents
from profiles.erasure import SomethingLeft, erase, ref_of, wipe
from profiles.identity import find_shopper
from profiles.models import PrivacyRequest, Purpose, RequestStep, Shopper
from profiles.privacy_models import ANSWERED_WITHIN, EXTENDED_BY, PrivacyRequestQuerySet
from profiles.restriction import lift_restriction, restrict
from profiles.stores import all_stores, person_of
from tenants.audit import Verb, record
from tenants.errors import DomainError, ErrorKind
from tenants.tombstone_models import Tombstone
from tenants.tombstones import digest_of

logger = logging.getLogger(__name__)

Kind = PrivacyRequest.Kind
Status = PrivacyRequest.Status
Channel = PrivacyRequest.Channel


def open_request(
    kind: PrivacyRequest.Kind,
    named: str,
    *,
    named_by: str = PrivacyRequest.Named.KNOWN,
    channel: PrivacyRequest.Channel = Channel.STAFF,
    **said: Any,
) -> PrivacyRequest:
    """A new request, with the open one of the same kind and shopper as its `duplicate_of`."""
    request = PrivacyRequest(kind=kind, named=named, named_by=named_by, channel=channel, **said)
    take_in(request)
    return request


def take_in(request: PrivacyRequest) -> None:
    """Store a new request, and note which open one it repeats."""
    request.digest = digest_of((request.named_by, request.named))
    request.due_at = request.received_at + ANSWERED_WITHIN
    with transaction.atomic():
        request.duplicate_of = same_shopper(request).open().filter(kind=request.kind).first()
        request.save(force_insert=True)
        record(Verb.ADDED, request, after={"kind": request.kind, "channel": request.channel})


def by_name(named: str, named_by: str) -> PrivacyRequest:
    """A request that is not stored, to find others of the same shopper by."""
    digest = digest_of((named_by, named))
    return PrivacyRequest(named=named, named_by=named_by, digest=digest)


def same_shopper(request: PrivacyRequest) -> PrivacyRequestQuerySet:
    """The other requests of the same shopper, by whichever id they name the shopper."""
    digests = {request.digest}
    shopper = find_shopper(ref_of(request)) if request.named else None
    if shopper is not None:
        digests |= {digest_of(name) for name in person_of(shopper).names}
    found: PrivacyRequestQuerySet = PrivacyRequest.objects.filter(digest__in=digests)
    return found.exclude(pk=request.pk)


def request_erasure(named: str, *, named_by: str, by: str) -> PrivacyRequest:
    """An erasure that the shop's server asks for: approved at once, for the shop knows who asks.

    Asking again answers the same request, by whichever id of the shopper. Raises DomainError
    `unknown_shopper`.
    """
    digest = digest_of((named_by, named))
    # The lock of the shopper's row lets two that ask at once find each other.
    with transaction.atomic():
        found = find_shopper(ref_of(by_name(named, named_by)))
        if found is not None:
            Shopper.objects.select_for_update(no_key=True).get(pk=found.pk)
        erasures = PrivacyRequest.objects.filter(kind=Kind.ERASURE)
        under_way = erasures.to_be_run().filter(
            Q(pk__in=same_shopper(by_name(named, named_by)).values("pk"))
            | Q(**{f"subject__{named_by}__contains": [named]})
        )
        if (earlier := under_way.order_by("received_at").first()) is not None:
            return earlier
        if found is None:
            done = erasures.filter(status=Status.DONE).filter(
                Q(digest=digest) | Q(certificate__certificate__subject__contains=[digest])
            )
            if (last := done.first()) is not None:
                return last
            raise DomainError(
                "unknown_shopper", "There is no shopper with this id.", kind=ErrorKind.NOT_FOUND
            )
        request = open_request(
            Kind.ERASURE, named, named_by=named_by, channel=Channel.API, status=Status.CHECKED,
            checked_at=timezone.now(), checked_by=by, identity_check="By the shop",
        )  # fmt: skip
        request.duplicate_of = None  # one that waits for staff does not hold the shop up
        request.save(update_fields=["duplicate_of"])
        approve(request, by=by)
    return request


@transaction.atomic
def note_identity_check(request: PrivacyRequest, how: str, *, by: str) -> None:
    """Note how it was made sure that the shopper asks, and not somebody else. Raises DomainError
    `not_ready`, as all steps do where it is not their turn."""
    _expect(request, Status.RECEIVED)
    request.identity_check = how
    request.checked_at, request.checked_by = timezone.now(), by
    _move(request, Status.CHECKED, "identity_check", "checked_at", "checked_by")


@transaction.atomic
def approve(request: PrivacyRequest, *, by: str) -> None:
    """Let it be run. Raises DomainError `not_ready` before the check of who asks, and for one that
    repeats another."""
    _expect(request, Status.CHECKED)
    if request.duplicate_of is not None and request.duplicate_of.is_open:
        raise _not_ready("It repeats a request that is open: deny it, or answer that one first.")
    request.decided_at, request.decided_by = timezone.now(), by
    _move(request, Status.APPROVED, "decided_at", "decided_by", "duplicate_of")


@transaction.atomic
def deny(request: PrivacyRequest, reason: str, *, by: str) -> None:
    """End it without doing anything; the reason is what the shopper is told (Article 12(4))."""
    _expect(request, Status.RECEIVED, Status.CHECKED)
    if not reason.strip():
        raise _not_ready("A request is denied with a reason.")
    request.reason = reason
    request.decided_at = request.finished_at = timezone.now()
    request.decided_by = by
    _move(request, Status.DENIED, "reason", "decided_at", "finished_at", "decided_by")


@transaction.atomic
def extend(request: PrivacyRequest, reason: str) -> None:
    """Give the answer two months more, once; the shopper is told why (Article 12(3))."""
    _expect(request, Status.RECEIVED, Status.CHECKED)
    if request.extended or not reason.strip():
        raise _not_ready("A request is extended once, and with a reason.")
    before = request.due_at
    request.extended, request.due_at = reason, before + EXTENDED_BY
    request.save(update_fields=["extended", "due_at"])
    record(Verb.CHANGED, request, before={"due_at": before}, after={"due_at": request.due_at})


@transaction.atomic
def lift(request: PrivacyRequest) -> None:
    """End the restriction that a request asked for, as the shopper was told before (Article
    18(3))."""
    shopper = restricted_by(request)
    if shopper is None:
        raise _not_ready("No restriction of this request is in force.")
    lift_restriction(shopper)
    record(Verb.CHANGED, request, before={"restricted": True}, after={"restricted": False})


def restricted_by(request: PrivacyRequest) -> Shopper | None:
    """The shopper, where a restriction that was asked for is in force; else None."""
    if (request.kind, request.status) != (Kind.RESTRICTION, Status.DONE) or not request.named:
        return None
    shopper = find_shopper(ref_of(request))
    return shopper if shopper is not None and shopper.restricted_at else None


def run(request: PrivacyRequest) -> None:
    """Do what an approved request asks for. Safe to run twice, or beside itself."""
    if request.kind == Kind.ERASURE:
        erase(request)
        return
    with transaction.atomic():
        request = PrivacyRequest.objects.select_for_update().get(pk=request.pk)
        if request.status not in {Status.APPROVED, Status.RUNNING}:
            return
        shopper = find_shopper(ref_of(request))
        if shopper is None:
            request.failure = "There is no shopper with this id (any more)."
        else:
            request.failure = ""
            _answer(request, shopper)
        request.finished_at = timezone.now()
        _move(request, Status.DONE, "finished_at", "failure")
        if shopper is None and Tombstone.objects.filter(digest=request.digest).exists():
            wipe(PrivacyRequest.objects.filter(pk=request.pk))  # the erasure passed it over


def run_waiting() -> int:
    """Run every approved request that is not at its end; how many came there.

    One that fails hinders no other: it says so, and is tried again.
    """
    done = 0
    for request in PrivacyRequest.objects.to_be_run().order_by("received_at"):
        try:
            run(request)
            done += 1
        except SomethingLeft:
            logger.warning("The request %s is not at its end; it is tried again", request.pk)
        except Exception as error:  # noqa: BLE001  # whatever broke, others have waited as long
            # Neither log nor page repeats its words, which may name the shopper.
            why = type(error).__name__
            logger.error("The request %s failed (%s); it is tried again", request.pk, why)  # noqa: TRY400
            PrivacyRequest.objects.filter(pk=request.pk).update(
                failure=f"The last try failed ({why}). It is tried again every minute."
            )
    return done


def _answer(request: PrivacyRequest, shopper: Shopper) -> None:
    match request.kind:
        case Kind.ACCESS | Kind.PORTABILITY:
            person = person_of(shopper)
            now = timezone.now()
            for position, store in enumerate(all_stores()):
                count = store.count(person)
                RequestStep.objects.create(
                    request=request, position=position, store=store.name,
                    found=count, remaining=count, done_at=now,
                )  # fmt: skip
        case Kind.RECTIFICATION:
            # Locked: what the shop sends at this moment must not be written over.
            shopper = Shopper.objects.select_for_update(no_key=True).get(pk=shopper.pk)
            shopper.traits = _with(shopper.traits, request.changes.get("traits"))
            shopper.preferences = _with(shopper.preferences, request.changes.get("preferences"))
            shopper.save(update_fields=["traits", "preferences"])
        case Kind.OBJECTION:
            named = [purpose for purpose in Purpose if purpose in request.purposes]
            ended = dict.fromkeys(named or Purpose, False)
            record_consents([shopper], ended, source=f"objection {request.pk}")
        case Kind.RESTRICTION:
            restrict(shopper, source=f"restriction {request.pk}")


def _with(stored: Mapping[str, Any], changes: object) -> dict[str, Any]:
    changed = {**stored, **(changes if isinstance(changes, dict) else {})}
    return {name: value for name, value in changed.items() if value not in (None, "")}


def _move(request: PrivacyRequest, status: PrivacyRequest.Status, *fields: str) -> None:
    """Save the request at its next status, and say so in the audit trail."""
    before, request.status = request.status, status
    request.save(update_fields=["status", *fields])
    record(Verb.CHANGED, request, before={"status": before}, after={"status": status})


def _expect(request: PrivacyRequest, *statuses: PrivacyRequest.Status) -> None:
    """Lock the request until the transaction ends, and see that it is at one of these."""
    request.refresh_from_db(from_queryset=PrivacyRequest.objects.select_for_update())
    if request.status not in statuses:
        raise _not_ready(f"The request is {request.get_status_display().lower()}.")


def _not_ready(why: str) -> DomainError:
    return DomainError("not_ready", why, kind=ErrorKind.CONFLICT)
