"""What a shopper allows: recording it, and reading only what it allows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction
from django.utils import timezone

from profiles.exposure import Seen
from profiles.global_privacy_control import refused
from profiles.learning import count_in_again, forget_what_was_learned
from profiles.models import (
    Consent,
    ConsentChange,
    ConsentText,
    Event,
    Identity,
    PersonalDataQuerySet,
    Purpose,
    Shopper,
    ShopperState,
)
from profiles.mutes import NO_MUTES, Mutes, mutes_from
from profiles.signals import SearchedFor, Signal
from profiles.state import (
    cart_signals,
    drop_states,
    rebuild_states,
    searches_from,
    signals_from,
)
from tenants.acting import current_actor
from tenants.audit import About, Verb, record


def permitted_events(purpose: Purpose) -> PersonalDataQuerySet[Event]:
    """The events of shoppers who grant `purpose` now. The only way to read events for use.

    Those sent with a Global Privacy Control that refuses the purpose are left out for good.
    """
    events = Event.stored.permitted_for(purpose)
    return events.filter(private=False) if refused(purpose, gpc=True) else events


def permitted_states(purpose: Purpose) -> PersonalDataQuerySet[ShopperState]:
    """The online states of shoppers who grant `purpose` now."""
    return ShopperState.stored.permitted_for(purpose)


@dataclass(frozen=True, slots=True)
class PermittedState:
    """The online state of a shopper who grants the purpose that it was read for.

    `seen` holds how often each item was shown lately, by day; see `profiles.exposure`. `searches`
    is what was searched for, newest first. `version` is another text after any change. `mutes` is
    what the shopper said not to use.
    """

    shopper_id: int
    signals: list[Signal]
    cart: list[Signal]
    dismissed: list[int]
    preferences: dict[str, Any] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)
    seen: Seen = field(default_factory=dict)
    searches: list[SearchedFor] = field(default_factory=list)
    version: str = ""
    mutes: Mutes = NO_MUTES


# `permitted_states` written out: this is read on every request, and building it by the ORM costs
# more than everything else in it.
PERMITTED_SHOPPER = """
    profiles_identity i
    JOIN profiles_consent c ON c.shopper_id = i.shopper_id AND c.purpose = %(purpose)s AND c.granted
    JOIN profiles_shopper sh ON sh.id = i.shopper_id
    LEFT JOIN profiles_shopperstate s ON s.shopper_id = i.shopper_id
"""
"""The rows `i`, `c`, `sh` and `s` of shoppers who grant `purpose`: where SQL by hand begins."""

MOST_NAMED = 100
"""Shoppers of one audit entry, by id; the history names all."""

NAMED = "i.kind = %(kind)s AND i.value = %(value)s"

STATE_VERSION = "coalesce(s.xmin::text, '') || '.' || sh.xmin::text"
"""Another text after any change to the shopper or to their state: of which transactions the rows
are, PostgreSQL 18, 5.6 System Columns."""

STATE_COLUMNS = f"""
    i.shopper_id, coalesce(s.history, '[]'), coalesce(s.cart, '{{}}'),
    coalesce(s.dismissed, '{{}}'), sh.preferences, sh.traits, coalesce(s.seen, '{{}}'),
    coalesce(s.searches, '[]'), sh.muted, {STATE_VERSION}
"""
"""What `state_of` reads."""

READ_STATE = f"SELECT {STATE_COLUMNS} FROM {PERMITTED_SHOPPER} WHERE {NAMED}"  # noqa: S608  # as above


def find_state(kind: Identity.Kind, value: str, purpose: Purpose) -> PermittedState | None:
    """The state of the shopper with this id, maybe empty; None without consent. One query."""
    with connection.cursor() as cursor:
        cursor.execute(READ_STATE, {"purpose": purpose.value, "kind": kind.value, "value": value})
        row = cursor.fetchone()
    return None if row is None else state_of(row)


def state_of(row: Sequence[Any]) -> PermittedState:
    """The state in a row of STATE_COLUMNS."""
    shopper_id, history, cart, dismissed, preferences, traits, seen, searches, muted, version = row
    return PermittedState(
        shopper_id,
        signals_from(orjson.loads(history)),
        cart_signals(orjson.loads(cart)),
        dismissed,
        orjson.loads(preferences),
        orjson.loads(traits),
        orjson.loads(seen),
        searches_from(orjson.loads(searches)),
        version,
        mutes_from(orjson.loads(muted)),
    )


def record_consent(
    shopper: Shopper,
    purpose: Purpose,
    *,
    granted: bool,
    source: str,
    text: str = "",
    now: datetime | None = None,
) -> None:
    """Grant or withdraw one purpose, from the next request on; see `record_consents`."""
    record_consents([shopper], {purpose: granted}, source=source, text=text, now=now)


def record_consents(
    shoppers: Iterable[Shopper],
    choices: Mapping[Purpose, bool],
    *,
    source: str,
    text: str = "",
    now: datetime | None = None,
) -> list[ConsentChange]:
    """Grant or withdraw purposes for shoppers, and keep what changed in their history.

    The proof of a change: `source` is where the shopper chose, `text` the version of what they
    were told, and who sent it to us is whoever acts now. A choice that is in force already is a
    change only where it was made under another text. A withdrawal of personalization drops the
    online state at once; a grant rebuilds it from the stored events. A withdrawal of research takes
    the shopper off what was learned, a grant counts them in. For a shopper under a
    restriction (`profiles.restriction`) nothing is granted, only withdrawn. What changed is an
    entry of the audit trail, too, which is locked until the caller's transaction ends.
    """
    now = now or timezone.now()
    actor = current_actor()
    with transaction.atomic():
        # The lock orders this against events that are being folded into the same state.
        locked = {
            shopper.pk: shopper
            for shopper in Shopper.objects.select_for_update(no_key=True)
            .filter(pk__in=[shopper.pk for shopper in shoppers])
            .order_by("pk")
        }
        in_force = {
            (consent.shopper_id, consent.purpose): consent
            for consent in Consent.objects.filter(shopper__in=locked, purpose__in=list(choices))
        }
        changes = [
            ConsentChange(
                shopper=shopper,
                purpose=purpose,
                granted=granted,
                source=source,
                set_by_kind=actor.kind,
                set_by=actor.name[:200],
                text_version=text,
                changed_at=now,
            )
            for shopper in locked.values()
            for purpose, granted in choices.items()
            if not (granted and shopper.restricted_at)
            and _is_news(in_force.get((shopper.pk, purpose)), granted=granted, text=text)
        ]
        research = [change for change in changes if change.purpose == Purpose.RESEARCH]
        granted_it = {
            pk for (pk, purpose), consent in in_force.items()
            if purpose == Purpose.RESEARCH and consent.granted
        }  # fmt: skip
        forget_what_was_learned(
            [c.shopper_id for c in research if not c.granted and c.shopper_id in granted_it]
        )
        ConsentChange.objects.bulk_create(changes, batch_size=5_000)
        Consent.objects.bulk_create(
            [
                Consent(
                    shopper=change.shopper,
                    purpose=change.purpose,
                    granted=change.granted,
                    source=source,
                    text_version=text,
                    changed_at=now,
                )
                for change in changes
            ],
            batch_size=5_000,
            update_conflicts=True,
            unique_fields=["shopper", "purpose"],
            update_fields=["granted", "source", "text_version", "changed_at"],
        )
        personalization = [c for c in changes if c.purpose == Purpose.PERSONALIZATION]
        drop_states([c.shopper_id for c in personalization if not c.granted])
        rebuild_states([c.shopper_id for c in personalization if c.granted])
        count_in_again(
            [c.shopper_id for c in research if c.granted and c.shopper_id not in granted_it]
        )
        if changes:
            _record_in_trail(changes, choices, text)
    return changes


def _record_in_trail(
    changes: Sequence[ConsentChange], choices: Mapping[Purpose, bool], text: str
) -> None:
    """One entry a call: who sent the choice, with which key, from which address, and for whom.

    Not where the shopper chose: a shop's own words may name somebody, and an entry outlives an
    erasure. The history has them.
    """
    shoppers = sorted({change.shopper_id for change in changes})
    changed = {change.purpose for change in changes}
    after: dict[str, Any] = {p.value: granted for p, granted in choices.items() if p in changed}
    if text:
        after["text"] = text
    if len(shoppers) == 1:
        about = About("profiles.consent", str(shoppers[0]), f"consents of shopper {shoppers[0]}")
    else:
        about = About("profiles.consent", label=f"consents of {len(shoppers)} shoppers")
        after["shoppers"] = [*shoppers[:MOST_NAMED], *["…"][: len(shoppers) > MOST_NAMED]]
    record(Verb.CHANGED, about, after=after)


def _is_news(in_force: Consent | None, *, granted: bool, text: str) -> bool:
    if in_force is None or in_force.granted != granted:
        return True
    return bool(text) and in_force.text_version != text


def consents_of(shopper: Shopper) -> dict[str, bool]:
    """Every purpose, and whether the shopper grants it now."""
    granted = dict(shopper.consents.values_list("purpose", "granted"))
    return {purpose.value: granted.get(purpose.value, False) for purpose in Purpose}


MOST_PROOFS = 1_000


def consent_proofs(shopper: Shopper) -> list[tuple[ConsentChange, str | None]]:
    """Every choice of the shopper, the latest first, each with the wording of its text if that is
    kept here. At most MOST_PROOFS. Two queries."""
    changes = list(ConsentChange.objects.filter(shopper=shopper).order_by("-id")[:MOST_PROOFS])
    versions = {change.text_version for change in changes}
    wordings = dict(
        ConsentText.objects.filter(version__in=versions).values_list("version", "wording")
    )
    return [(change, wordings.get(change.text_version)) for change in changes]


def granted_since(shoppers: Collection[int], purpose: Purpose) -> dict[int, datetime]:
    """Who of the shoppers grants the purpose now, and since when. One query; none for nobody."""
    if not shoppers:
        return {}
    granted = Consent.objects.filter(shopper__in=shoppers, purpose=purpose, granted=True)
    return dict(granted.values_list("shopper_id", "changed_at"))
