"""Erasing a shopper from every store, once and for all, with a certificate of it.

First, in one transaction, the erasure is sealed: what was learned of the shopper is taken off, ids
get tombstones, identities, consents and the state are deleted. From then on nothing finds or uses
the shopper, and late events are refused. Then store after store is emptied, each in a transaction
of its own that also notes how far it is; a crash costs the step that it interrupts. In the end
every store is counted again, and only where nothing is left a certificate is signed.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from profiles.certificates import keep, sign
from profiles.identity import KNOWN, ShopperRef, find_shopper, lock_shoppers, take_turns
from profiles.models import PrivacyRequest, RequestStep, Shopper
from profiles.stores import Person, Store, When, all_stores, person_of
from tenants.audit import Verb, record
from tenants.connection import connection
from tenants.deadlocks import in_transaction
from tenants.tombstones import digest_of, put_up

logger = logging.getLogger(__name__)

BEYOND = (
    "Searches and slates that were kept without the shopper's consent name nobody, so they cannot"
    " be found.",
    "Backups of the database, and exports that an operator made, are outside. A restored backup is"
    " cleaned by the tombstones: manage.py replay_erasures.",
)
"""What no erasure reaches, said in each certificate."""

_learned: list[Callable[[], dict[str, Any]]] = []


def register_learned(tell: Callable[[], dict[str, Any]]) -> None:
    """Let certificates say which trained version serves, and that it has the shopper no more."""
    _learned.append(tell)


class SomethingLeft(Exception):
    """A store holds something of the shopper still: the request goes on at the next try."""


def erase(request: PrivacyRequest) -> None:
    """Run an approved erasure to its end, from wherever it is. Running it twice, or in two
    processes at once, does nothing twice. Raises SomethingLeft."""
    if request.sealed_at is None:
        in_transaction(lambda: _seal(request.pk))
    for store in all_stores():
        in_transaction(lambda store=store: _empty(request.pk, store))  # type: ignore[misc]  # mypy has no lambda defaults
    failure = in_transaction(lambda: _finish(request.pk))
    request.refresh_from_db()
    if failure:
        raise SomethingLeft(failure)


def _locked(pk: Any) -> PrivacyRequest:
    """The request, by whose lock two workers at one erasure take turns step by step."""
    return PrivacyRequest.objects.select_for_update().get(pk=pk)


def _seal(pk: Any) -> None:
    request = _locked(pk)
    if request.sealed_at is not None:
        return
    now = timezone.now()
    request.status = PrivacyRequest.Status.RUNNING
    shopper = find_shopper(ref_of(request))
    person = person_of(shopper) if shopper else Person((), (), ())
    lock_shoppers(person.shoppers)
    stores = all_stores()
    for store in [store for store in stores if store.when == When.FIRST]:
        _note(request, store, person, stores, done_at=now)
    # Not before: what was learned may take seconds, for which nobody could make a shopper.
    take_turns()
    if shopper is not None:
        person = person_of(shopper)  # with what came to be meanwhile
    named = {(request.named_by, request.named)}
    names = person.names.union(named, *(store.names(person) for store in stores))
    put_up(names, now)
    Shopper.objects.filter(pk__in=person.shoppers).update(erased_at=now)
    for store in [store for store in stores if store.when > When.SEALING]:
        _note(request, store, person, stores)
    for store in [store for store in stores if store.when == When.SEALING]:
        _note(request, store, person, stores, done_at=now)
    request.subject, request.sealed_at = person.as_json(), now
    request.save(update_fields=["subject", "sealed_at", "status"])
    record(Verb.CHANGED, request, before={"status": "approved"}, after={"status": "running"})


def _note(
    request: PrivacyRequest,
    store: Store,
    person: Person,
    stores: list[Store],
    *,
    done_at: datetime | None = None,
) -> None:
    """Write down what a store holds; empty it too where that is done here and now."""
    found = store.count(person)
    if done_at is not None:
        store.erase(person)
    RequestStep.objects.create(
        request=request,
        position=stores.index(store),
        store=store.name,
        found=found,
        remaining=None if done_at is None else store.count(person),
        done_at=done_at,
    )


def _empty(pk: Any, store: Store) -> None:
    request = _locked(pk)
    step = request.steps.filter(store=store.name, done_at=None).first()
    if step is None:
        return
    person = Person.from_json(request.subject)
    store.erase(person)
    step.remaining = store.count(person)
    step.done_at = timezone.now()
    step.save(update_fields=["remaining", "done_at"])


def _finish(pk: Any) -> str:
    """Count every store again, and certify; what is left, or an empty text."""
    request = _locked(pk)
    if request.finished_at is not None:
        return ""
    person = Person.from_json(request.subject)
    left = {store.name: store.count(person) for store in all_stores()}
    for step in request.steps.all():
        step.remaining = left.get(step.store, 0)
        if step.remaining:
            step.done_at = None  # it is emptied again at the next try
        step.save(update_fields=["remaining", "done_at"])
    if some := [name for name, count in left.items() if count]:
        request.failure = f"Something is left in: {', '.join(some)}."
        request.save(update_fields=["failure"])
        return request.failure  # raising it here would undo what has just been noted
    request.finished_at = timezone.now()
    request.status = PrivacyRequest.Status.DONE
    request.certificate = sign(_certificate(request))
    keep(str(request.pk), request.certificate)
    request.subject, request.failure = {}, ""
    request.save()
    _forget_other_requests(request, person)
    request.refresh_from_db()
    moved = {"status": "done", "stores": len(left)}
    record(Verb.CHANGED, request, before={"status": "running"}, after=moved)
    logger.info("Finished the erasure %s in %d stores", request.pk, len(left))
    return ""


def _forget_other_requests(request: PrivacyRequest, person: Person) -> None:
    """Wipe what names the shopper or was said of them from this request and all others of theirs,
    and end those that nobody has decided. Another erasure on its way ends by itself."""
    digests = {request.digest, *map(digest_of, person.names)}
    theirs = PrivacyRequest.objects.filter(digest__in=digests)
    wipe(theirs.exclude(pk__in=PrivacyRequest.objects.to_be_run().values("pk")))
    theirs.filter(
        status__in=[PrivacyRequest.Status.RECEIVED, PrivacyRequest.Status.CHECKED]
    ).update(
        status=PrivacyRequest.Status.DENIED,
        reason="The shopper was erased.",
        finished_at=request.finished_at,
    )


def wipe(requests: QuerySet[PrivacyRequest]) -> None:
    """Keep of these requests their kinds, moments and digests alone."""
    words = ("named", "note", "identity_check", "reason", "extended")
    requests.update(changes={}, **dict.fromkeys(words, ""))


def _certificate(request: PrivacyRequest) -> dict[str, Any]:
    """What is certified. Of the shopper only digests are in it, which tell nobody who it was."""
    assert request.sealed_at is not None  # noqa: S101  # `_seal` has set it
    assert request.finished_at is not None  # noqa: S101  # the caller has set it
    person = Person.from_json(request.subject)
    stores = {store.name: store for store in all_stores()}
    names = person.names | {(request.named_by, request.named)}
    learned: dict[str, Any] = {}
    for tell in _learned:
        learned |= tell()
    return {
        "request": str(request.pk),
        "tenant": connection.schema_name,
        "subject": sorted(digest_of(name) for name in names),
        "received_at": request.received_at.isoformat(),
        "sealed_at": request.sealed_at.isoformat(),
        "finished_at": request.finished_at.isoformat(),
        "stores": [
            {
                "store": step.store,
                "holds": stores[step.store].holds if step.store in stores else "",
                "found": step.found,
                "remaining": step.remaining,
                "stays": stores[step.store].keeps if step.store in stores else "",
            }
            for step in request.steps.all()
        ],
        "learned": learned,
        "beyond": list(BEYOND),
    }


def ref_of(request: PrivacyRequest) -> ShopperRef:
    if request.named_by == KNOWN:
        return ShopperRef(known=request.named)
    return ShopperRef(anonymous=request.named)
