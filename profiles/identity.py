"""Who a storefront means: from known and anonymous ids to shoppers, and merging the two."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson
from django.db import transaction
from django.utils import timezone

from profiles import mutes
from profiles.learning import forget_what_was_learned
from profiles.models import Consent, ConsentChange, Event, Identity, Purpose, Session, Shopper
from profiles.restriction import carry_over
from profiles.state import drop_states, rebuild_states
from tenants.connection import array_of, connection
from tenants.errors import DomainError, ErrorKind
from tenants.tombstones import refused

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


def ensure_shoppers(
    refs: Iterable[ShopperRef], *, now: datetime | None = None
) -> dict[ShopperRef, int]:
    """The shopper id of each reference; made where it is not there yet, and merged where an
    anonymous one became known.

    An anonymous id that comes with several known ones goes to the first. A reference to somebody
    who was erased is left out, and so is the erased one of two ids. Ids already known cost one
    query, whatever their number. Runs in a transaction.
    """
    refs = list(refs)
    now = now or timezone.now()
    known_of: dict[str, str] = {}
    for ref in refs:
        if ref.known and ref.anonymous:
            known_of.setdefault(ref.anonymous, ref.known)
    wanted = {(KNOWN, ref.known) for ref in refs if ref.known} | {
        (ANONYMOUS, ref.anonymous) for ref in refs if ref.anonymous
    }
    with transaction.atomic(savepoint=False):
        present = _shopper_ids(wanted)
        if missing := wanted - present.keys():
            present |= _create(missing, known_of, now)
        strangers = [
            (anonymous, known)
            for anonymous, known in sorted(known_of.items())
            if (ANONYMOUS, anonymous) in present
            and (KNOWN, known) in present
            and present[ANONYMOUS, anonymous] != present[KNOWN, known]
        ]
        for anonymous, known in strangers:
            merge(anonymous, into=present[KNOWN, known], now=now)
        if strangers:
            present = _shopper_ids(wanted)
    return {ref: present[named] for ref in refs if (named := _named_by(ref)) in present}


LOCK = """
    SELECT id, merged_into_id, erased_at IS NOT NULL FROM profiles_shopper
    WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE
"""


def lock_shoppers(shoppers: Collection[int]) -> dict[int, int]:
    """Lock shoppers until the transaction ends; for each, who it is now.

    That is another one where a merge was committed after the id had been resolved, and nobody
    where an erasure was: those are left out. Locks are taken
    in the order of the ids, so that two batches cannot block each other.
    """
    now_known_as: dict[int, int] = {}
    erased: set[int] = set()
    pending = set(shoppers)
    while pending:
        with connection.cursor() as cursor:
            cursor.execute(LOCK, [array_of(pending)])
            rows = cursor.fetchall()
        now_known_as |= {pk: into or pk for pk, into, _ in rows}
        erased |= {pk for pk, _, gone in rows if gone} | (pending - now_known_as.keys())
        pending = set(now_known_as.values()) - now_known_as.keys() - erased
    return {
        shopper: now_known_as[now_known_as[shopper]]
        for shopper in shoppers
        if shopper not in erased and now_known_as[shopper] not in erased
    }


def resolve(refs: Collection[ShopperRef]) -> dict[ShopperRef, int]:
    """The shopper id of each reference, where it is known. One query."""
    present = _shopper_ids({_named_by(ref) for ref in refs})
    return {ref: present[named] for ref in refs if (named := _named_by(ref)) in present}


def _named_by(ref: ShopperRef) -> tuple[str, str]:
    """The id that tells who is meant: the known one, if there is one."""
    return (KNOWN, ref.known) if ref.known else (ANONYMOUS, ref.anonymous or "")


FIND = """
    SELECT i.kind, i.value, i.shopper_id
    FROM (
        SELECT 'known' AS kind, json_array_elements_text(%s::json) AS value
        UNION ALL SELECT 'anonymous', json_array_elements_text(%s::json)
    ) AS wanted JOIN profiles_identity i ON (i.kind, i.value) = (wanted.kind, wanted.value)
"""


def _shopper_ids(wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    values = [
        orjson.dumps([value for kind, value in wanted if kind == one_kind]).decode()
        for one_kind in (KNOWN, ANONYMOUS)
    ]
    with connection.cursor() as cursor:
        cursor.execute(FIND, values)
        return {(kind, value): shopper for kind, value, shopper in cursor.fetchall()}


def take_turns() -> None:
    """Make and erase shoppers one after the other, until the transaction ends: two batches cannot
    make the same one twice, and an erasure cannot miss an id that is just coming to be."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{connection.schema_name}:identities"]
        )


def _create(
    missing: Collection[tuple[str, str]], known_of: Mapping[str, str], now: datetime
) -> dict[tuple[str, str], int]:
    """Make shoppers and identities for the ids; whose each of them is now.

    The one place where a shopper comes to be, so the one where those who were erased stay away.
    """
    take_turns()
    made = _shopper_ids(missing)
    erased = refused(set(missing) - made.keys() | {(KNOWN, known) for known in known_of.values()})
    # What comes along with an erased known id is a device of somebody who wants to be forgotten.
    devices = {(ANONYMOUS, a) for a, known in known_of.items() if (KNOWN, known) in erased}
    missing = sorted(set(missing) - made.keys() - erased - devices)
    # An anonymous id that arrives together with its known one needs no shopper of its own.
    alone = [name for name in missing if name[0] == KNOWN or name[1] not in known_of]
    shoppers = Shopper.objects.bulk_create(
        Shopper(external_id=value if kind == KNOWN else None, created_at=now)
        for kind, value in alone
    )
    made |= {name: shopper.pk for name, shopper in zip(alone, shoppers, strict=True)}
    attached = [name for name in missing if name not in made]
    owners = {name: (KNOWN, known_of[name[1]]) for name in attached}
    if elsewhere := set(owners.values()) - made.keys():
        made |= _shopper_ids(elsewhere)
    made |= {name: made[owner] for name, owner in owners.items()}
    Identity.objects.bulk_create(
        Identity(
            shopper_id=made[kind, value],
            kind=kind,
            value=value,
            first_seen_at=now,
            merged_at=now if (kind, value) in owners else None,
        )
        for kind, value in missing
    )
    return made


def _forget_where_refused(old: int, into: int) -> None:
    """Take what `old` did off what was learned where `into`, whose it becomes, refuses that: it is
    the known shopper's choice that holds."""
    choices = Consent.objects.filter(shopper__in=[old, into], purpose=Purpose.RESEARCH)
    granted = dict(choices.values_list("shopper_id", "granted"))
    if granted.get(old) and granted.get(into) is False:
        forget_what_was_learned([old])


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
    if len(lock_shoppers([old, into])) < 2:
        return  # one of them was erased meanwhile
    _forget_where_refused(old, into)
    carry_over(old, into)
    mutes.hand_over(old, into)
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
