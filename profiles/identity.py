"""Who a storefront means: from known and anonymous ids to shoppers, and merging the two."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from profiles.models import Consent, ConsentChange, Event, Identity, Session, Shopper
from profiles.state import drop_states, rebuild_states
from tenants.connection import connection
from tenants.errors import DomainError, ErrorKind

KNOWN = Identity.Kind.KNOWN
ANONYMOUS = Identity.Kind.ANONYMOUS


@dataclass(frozen=True, slots=True)
class ShopperRef:
    """How a caller names a shopper: by a known id, an anonymous one, or both."""

    known: str | None = None
    anonymous: str | None = None

    @classmethod
    def given(cls, known: str | None, anonymous: str | None) -> "ShopperRef | None":
        """The reference that a caller gave; None for a visitor without any id."""
        return cls(known, anonymous) if known or anonymous else None


def find_shopper(ref: ShopperRef) -> Shopper | None:
    """The shopper, or None when this id was never seen. A known id wins over an anonymous one."""
    kind, value = (KNOWN, ref.known) if ref.known else (ANONYMOUS, ref.anonymous)
    identity = (
        Identity.objects.select_related("shopper").filter(kind=kind, value=value or "").first()
    )
    return identity.shopper if identity else None


def get_shopper(external_id: str) -> Shopper:
    """The shopper with a known id. Raises DomainError `unknown_shopper`."""
    shopper = find_shopper(ShopperRef(known=external_id))
    if shopper is None:
        raise DomainError(
            "unknown_shopper", "There is no shopper with this id.", kind=ErrorKind.NOT_FOUND
        )
    return shopper


def ensure_shoppers(refs: Sequence[ShopperRef], *, now: datetime | None = None) -> None:
    """Make the shoppers that are not there yet, and merge anonymous ones that became known.

    An anonymous id that comes with several known ones goes to the first. Runs in a transaction.
    Ids already known cost one query, whatever their number.
    """
    now = now or timezone.now()
    known_of: dict[str, str] = {}
    for ref in refs:
        if ref.known and ref.anonymous:
            known_of.setdefault(ref.anonymous, ref.known)
    wanted = {(KNOWN, ref.known) for ref in refs if ref.known} | {
        (ANONYMOUS, ref.anonymous) for ref in refs if ref.anonymous
    }
    with transaction.atomic():
        present = _shopper_ids(wanted)
        if missing := wanted - present.keys():
            _create(missing, known_of, now)
            present = _shopper_ids(wanted)
        for anonymous, known in sorted(known_of.items()):
            if present[ANONYMOUS, anonymous] != present[KNOWN, known]:
                merge(anonymous, into=present[KNOWN, known], now=now)


def lock_shoppers(shoppers: Collection[int]) -> dict[int, int]:
    """Lock shoppers until the transaction ends; for each, who it is now.

    That is another one where a merge was committed after the id had been resolved.
    """
    now_known_as: dict[int, int] = {}
    pending = set(shoppers)
    while pending:
        rows = dict(
            Shopper.objects.select_for_update(no_key=True)
            .filter(pk__in=pending)
            .order_by(
                "pk"
            )  # the same order everywhere, so that two batches cannot block each other
            .values_list("pk", "merged_into")
        )
        now_known_as |= {pk: into or pk for pk, into in rows.items()}
        pending = set(now_known_as.values()) - now_known_as.keys()
    return {shopper: now_known_as[now_known_as[shopper]] for shopper in shoppers}


def resolve(refs: Collection[ShopperRef]) -> dict[ShopperRef, int]:
    """The shopper id of each reference, where it is known. One query."""
    wanted = {(KNOWN, ref.known) if ref.known else (ANONYMOUS, ref.anonymous or "") for ref in refs}
    present = _shopper_ids(wanted)
    named = {
        ref: present.get((KNOWN, ref.known) if ref.known else (ANONYMOUS, ref.anonymous or ""))
        for ref in refs
    }
    return {ref: shopper for ref, shopper in named.items() if shopper is not None}


def _shopper_ids(wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    rows = Identity.objects.filter(value__in={value for _, value in wanted}).values_list(
        "kind", "value", "shopper_id"
    )
    return {(kind, value): shopper for kind, value, shopper in rows if (kind, value) in wanted}


def _create(
    missing: Collection[tuple[str, str]], known_of: Mapping[str, str], now: datetime
) -> None:
    with connection.cursor() as cursor:
        # Creators of shoppers take turns, so that two batches cannot make the same one twice.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{connection.schema_name}:identities"]
        )
    missing = sorted(set(missing) - _shopper_ids(missing).keys())
    known = [value for kind, value in missing if kind == KNOWN]
    # An anonymous id that arrives together with its known one needs no shopper of its own.
    anonymous = [value for kind, value in missing if kind == ANONYMOUS and value not in known_of]
    shoppers = Shopper.objects.bulk_create(
        [Shopper(external_id=value, created_at=now) for value in known]
        + [Shopper(created_at=now) for _ in anonymous]
    )
    Identity.objects.bulk_create(
        Identity(shopper=shopper, kind=kind, value=value, first_seen_at=now)
        for shopper, (kind, value) in zip(
            shoppers,
            [(KNOWN, value) for value in known] + [(ANONYMOUS, value) for value in anonymous],
            strict=True,
        )
    )
    attached = [value for kind, value in missing if kind == ANONYMOUS and value in known_of]
    owners = _shopper_ids({(KNOWN, known_of[value]) for value in attached})
    Identity.objects.bulk_create(
        Identity(
            shopper_id=owners[KNOWN, known_of[value]],
            kind=ANONYMOUS,
            value=value,
            first_seen_at=now,
            merged_at=now,
        )
        for value in attached
    )


def merge(anonymous: str, *, into: int, now: datetime) -> None:
    """Give an anonymous shopper's history to the known shopper `into`. Done once per id.

    An id that was merged before stays where it is: on a shared device the second person to log
    in does not inherit the first one's history. Where both gave or refused consent, the known
    shopper's choice holds.
    """
    identity = Identity.objects.select_for_update().get(kind=ANONYMOUS, value=anonymous)
    if identity.merged_at is not None or identity.shopper_id == into:
        return
    old = identity.shopper_id
    lock_shoppers([old, into])
    for session in Session.objects.filter(shopper=old):
        kept, created = Session.objects.get_or_create(
            shopper_id=into,
            external_id=session.external_id,
            defaults={
                "started_at": session.started_at,
                "last_event_at": session.last_event_at,
            },
        )
        Event.stored.filter(session=session).update(session=kept)
        if not created:
            Session.objects.filter(pk=kept.pk).update(
                started_at=min(kept.started_at, session.started_at),
                last_event_at=max(kept.last_event_at, session.last_event_at),
            )
        session.delete()
    Event.stored.filter(shopper=old).update(shopper=into)
    decided = Consent.objects.filter(shopper=into).values("purpose")
    Consent.objects.filter(shopper=old).exclude(purpose__in=decided).update(shopper=into)
    ConsentChange.objects.filter(shopper=old).update(shopper=into)
    Identity.objects.filter(shopper=old).update(shopper=into, merged_at=now)
    Shopper.objects.filter(pk=old).update(merged_into=into)
    drop_states([old])
    rebuild_states([into])
