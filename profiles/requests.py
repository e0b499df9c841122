"""Requests of shoppers: from their arrival over the check of who asks to the answer.

`open_request` -> `note_identity_check` -> `approve` or `deny` -> `run`. The shop's server, which
knows its customers, opens them checked and approved.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from profiles.consent import record_consents
from profiles.erasure import SomethingLeft, erase, ref_of
from profiles.identity import ShopperRef, find_shopper
from profiles.models import PrivacyRequest, Purpose, RequestStep, Shopper
from profiles.stores import When, all_stores, person_of
from tenants.audit import Verb, record
from tenants.errors import DomainError, ErrorKind
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
    request.duplicate_of = same_shopper(request).open().filter(kind=request.kind).first()
    with transaction.atomic():
        request.save(force_insert=True)
        record(Verb.ADDED, request, after={"kind": request.kind, "channel": request.channel})


def same_shopper(request: PrivacyRequest) -> Any:
    """The other requests that name the shopper by the same id."""
    return PrivacyRequest.objects.filter(digest=request.digest).exclude(pk=request.pk)


def request_erasure(named: str, *, named_by: str, by: str) -> PrivacyRequest:
    """An erasure that the shop's server asks for: approved at once, for the shop knows who asks.

    Asking again answers the same request. Raises DomainError `unknown_shopper`.
    """
    digest = digest_of((named_by, named))
    # The lock of the shopper's row lets two that ask at once find each other.
    with transaction.atomic():
        found = find_shopper(_ref(named_by, named))
        if found is not None:
            Shopper.objects.select_for_update(no_key=True).get(pk=found.pk)
        erasures = PrivacyRequest.objects.filter(kind=Kind.ERASURE)
        under_way = erasures.to_be_run().filter(digest=digest).first()
        if under_way is not None:
            return under_way
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
        approve(request, by=by)
    return request


def note_identity_check(request: PrivacyRequest, how: str, *, by: str) -> None:
    """Note how it was made sure that the shopper asks, and not somebody else."""
    _expect(request, Status.RECEIVED)
    request.status, request.identity_check = Status.CHECKED, how
    request.checked_at, request.checked_by = timezone.now(), by
    _save(request, "status", "identity_check", "checked_at", "checked_by")


def approve(request: PrivacyRequest, *, by: str) -> None:
    """Let it be run. Raises DomainError `not_ready` before the check of who asks, and for one that
    repeats another."""
    _expect(request, Status.CHECKED)
    if request.duplicate_of is not None and request.duplicate_of.is_open:
        raise _not_ready("It repeats a request that is open: deny it, or answer that one first.")
    request.status = Status.APPROVED
    request.decided_at, request.decided_by = timezone.now(), by
    _save(request, "status", "decided_at", "decided_by", "duplicate_of")


def deny(request: PrivacyRequest, reason: str, *, by: str) -> None:
    """End it without doing anything; the reason is what the shopper is told (Article 12(4))."""
    _expect(request, Status.RECEIVED, Status.CHECKED)
    if not reason.strip():
        raise _not_ready("A request is denied with a reason.")
    request.status, request.reason = Status.DENIED, reason
    request.decided_at = request.finished_at = timezone.now()
    request.decided_by = by
    _save(request, "status", "reason", "decided_at", "finished_at", "decided_by")


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
            _answer(request, shopper)
        request.status, request.finished_at = Status.DONE, timezone.now()
        _save(request, "status", "finished_at", "failure")


def run_waiting() -> int:
    """Run every approved request that is not at its end; how many came there."""
    done = 0
    for request in PrivacyRequest.objects.to_be_run().order_by("received_at"):
        try:
            run(request)
            done += 1
        except SomethingLeft:
            logger.warning("The request %s is not at its end; it is tried again", request.pk)
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
            shopper.traits = _with(shopper.traits, request.changes.get("traits"))
            shopper.preferences = _with(shopper.preferences, request.changes.get("preferences"))
            shopper.save(update_fields=["traits", "preferences"])
        case Kind.OBJECTION:
            named = [purpose for purpose in Purpose if purpose in request.purposes]
            _end_use(shopper, named or Purpose, source=f"objection {request.pk}")
        case Kind.RESTRICTION:
            # What nobody consented to is read by nobody. A new grant lifts it: Article 18(2).
            _end_use(shopper, Purpose, source=f"restriction {request.pk}")


def _end_use(shopper: Shopper, purposes: Iterable[Purpose], *, source: str) -> None:
    purposes = list(purposes)
    if Purpose.PERSONALIZATION in purposes:
        person = person_of(shopper)
        for store in all_stores():
            if store.when == When.FIRST:
                store.erase(person)  # what was learned, while it may still be read
    record_consents([shopper], dict.fromkeys(purposes, False), source=source)


def _with(stored: Mapping[str, Any], changes: object) -> dict[str, Any]:
    changed = {**stored, **(changes if isinstance(changes, dict) else {})}
    return {name: value for name, value in changed.items() if value not in (None, "")}


def _save(request: PrivacyRequest, *fields: str) -> None:
    with transaction.atomic():
        request.save(update_fields=fields)
        record(Verb.CHANGED, request, after={"status": request.status})


def _expect(request: PrivacyRequest, *statuses: PrivacyRequest.Status) -> None:
    if request.status not in statuses:
        raise _not_ready(f"The request is {request.get_status_display().lower()}.")


def _not_ready(why: str) -> DomainError:
    return DomainError("not_ready", why, kind=ErrorKind.CONFLICT)


def _ref(named_by: str, named: str) -> ShopperRef:
    if named_by == PrivacyRequest.Named.KNOWN:
        return ShopperRef(known=named)
    return ShopperRef(anonymous=named)
