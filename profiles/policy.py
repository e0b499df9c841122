"""What each kind of signal may do for this tenant; what is sensitive; who changed that, and how."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from django.db import connection, transaction
from django.utils import timezone

from profiles.models import EventKind
from profiles.policy_models import PolicyProposal, SensitiveTopic, SignalPolicy
from profiles.signals import SECONDS_PER_DAY, SignalKind
from tenants.acting import current_actor
from tenants.audit import Verb, record, shown
from tenants.errors import DomainError, ErrorKind
from tenants.settled import settled

Status = PolicyProposal.Status

KINDS = tuple(dict.fromkeys([*map(str, SignalKind), *map(str, EventKind)]))
"""All that a policy can be about: what ranking may read, and what events tell."""

UNCITED = frozenset({SignalKind.CIRCUMSTANCE})
"""Kinds that no reason names unless the merchant says so: few like to be told."""

LATE_NIGHT = "hour night"
"""A circumstance that says more of a person than of a taste; sensitive without anybody saying."""

ABOUT_THE_PAGE = frozenset({SignalKind.CONTEXT_ITEM})
"""Kinds that say what is on the page, not what somebody did: nothing of a person is in them."""

READ_AGAIN = timedelta(minutes=1)
"""Items come into a sensitive category, and leave it, without anybody saying so here."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What ranking may use and a reason may name: kinds of signal, but for what is sensitive.

    `sensitive` are items (by id) whose signals are never cited, `unranked` those of them that are
    not ranked on either; `sensitive_names` and `unranked_names` are the same for what has a name.
    `kept_days` says, by kind, how old a signal may be.
    """

    may_rank: frozenset[str]
    may_cite: frozenset[str]
    uncollected: frozenset[str] = frozenset()
    may_prompt: frozenset[str] = frozenset()
    sensitive: frozenset[int] = frozenset()
    unranked: frozenset[int] = frozenset()
    sensitive_names: frozenset[str] = frozenset({LATE_NIGHT})
    unranked_names: frozenset[str] = frozenset({LATE_NIGHT})
    kept_days: Mapping[str, int] = field(default_factory=dict)

    def ranks(self, kind: str, item: int, name: str | None, last_at: float, now: float) -> bool:
        """Whether a signal may rank; times in seconds since 1970."""
        if kind not in self.may_rank or name in self.unranked_names:
            return False
        if item in self.unranked and kind not in ABOUT_THE_PAGE:
            return False
        days = self.kept_days.get(kind)
        return days is None or last_at >= now - days * SECONDS_PER_DAY

    def cites(self, kind: str, item: int | None, name: str | None) -> bool:
        """Whether a reason may name a signal."""
        if kind not in self.may_cite or name in self.sensitive_names:
            return False
        return item not in self.sensitive or kind in ABOUT_THE_PAGE


def signal_policy() -> Policy:
    """The tenant's policy; what no row speaks of may do everything but be sent to a language
    model, and UNCITED be cited. Settled."""
    return cast("Policy", settled("signal-policy", _read_policy, at_most=READ_AGAIN))


def _read_policy() -> Policy:
    rows = {row.signal_kind: row for row in SignalPolicy.objects.all()}
    topics = list(SensitiveTopic.objects.all())
    may_rank = {str(k) for k in SignalKind if k not in rows or rows[k].may_rank}
    names = {t.value: t.may_rank for t in topics if t.about == SensitiveTopic.About.CIRCUMSTANCE}
    names.setdefault(LATE_NIGHT, False)
    categories = [t for t in topics if t.about == SensitiveTopic.About.CATEGORY]
    sensitive = _items_of([t.value for t in categories])
    unranked = _items_of([t.value for t in categories if not t.may_rank])
    return Policy(
        may_rank=frozenset(may_rank),
        # What did not rank did not contribute, so it cannot be a reason either.
        may_cite=frozenset(
            k for k in may_rank if (rows[k].may_cite if k in rows else k not in UNCITED)
        ),
        uncollected=frozenset(k for k, row in rows.items() if not row.may_collect),
        may_prompt=frozenset(k for k, row in rows.items() if row.may_prompt),
        sensitive=sensitive,
        unranked=unranked,
        sensitive_names=frozenset(names),
        unranked_names=frozenset(name for name, may in names.items() if not may),
        kept_days={k: row.retention_days for k, row in rows.items() if row.retention_days},
    )


def _items_of(categories: list[str]) -> frozenset[int]:
    """Ids of the items in categories of these names, at any level. One query; none for none."""
    if not categories:
        return frozenset()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM catalog_item WHERE category_path && %s::varchar[]", [categories]
        )
        return frozenset(item for (item,) in cursor.fetchall())


@dataclass(frozen=True, slots=True)
class TermsThen:
    """What a kind of signal might do at a moment. Without `proposal` by its default."""

    kind: str
    may_rank: bool
    may_cite: bool
    proposal: PolicyProposal | None = None

    @property
    def words(self) -> str:
        return self.kind.replace("_", " ").capitalize()


def policy_then(kinds: Collection[str], at: datetime) -> list[TermsThen]:
    """The terms that were in force for these kinds at a moment, by kind. One query.

    What was sensitive then is in the audit trail alone.
    """
    approved = PolicyProposal.objects.filter(
        signal_kind__in=kinds, status=Status.APPROVED, decided_at__lte=at
    )
    in_force = {
        proposal.signal_kind: proposal
        for proposal in approved.order_by("signal_kind", "-version").distinct("signal_kind")
    }
    return [
        TermsThen(kind, proposal.may_rank, proposal.may_rank and proposal.may_cite, proposal)
        if (proposal := in_force.get(kind))
        else TermsThen(kind, may_rank=True, may_cite=kind not in UNCITED)
        for kind in sorted(kinds)
    ]


def propose(kind: str, terms: Mapping[str, Any], *, why: str, by: str = "") -> PolicyProposal:
    """Ask for terms; nothing changes until somebody else approves them."""
    name = by or current_actor().name
    return PolicyProposal.objects.create(signal_kind=kind, why=why, proposed_by=name, **terms)


def approve(proposal: PolicyProposal, *, by: str, note: str = "") -> SignalPolicy:
    """Put proposed terms in force, from the next request on, as the next version of their kind.

    Raises DomainError `already_decided`, or `own_proposal` where who proposed it approves it.
    """
    with transaction.atomic():
        locked = _undecided(proposal)
        if by == locked.proposed_by:
            raise DomainError("own_proposal", "Who proposed it cannot approve it.")
        return _put_in_force(locked, by=by, note=note)


def refuse(proposal: PolicyProposal, *, by: str, note: str) -> None:
    """Turn a proposal down, and say why. Raises DomainError `already_decided`."""
    with transaction.atomic():
        locked = _undecided(proposal)
        _decide(locked, Status.REFUSED, by=by, note=note)
        record(Verb.CHANGED, locked, after={"status": "refused", "decision": note})


def set_signal_policy(kind: SignalKind | str, **terms: Any) -> SignalPolicy:
    """Put terms in force without a second person: for commands and set-up, not for the admin."""
    by = current_actor().name
    with transaction.atomic():
        proposal = propose(str(kind), terms, why="Set by a program.", by=by)
        return _put_in_force(proposal, by=by, note="")


def _undecided(proposal: PolicyProposal) -> PolicyProposal:
    locked = PolicyProposal.objects.select_for_update().get(pk=proposal.pk)
    if locked.status != Status.PROPOSED:
        raise DomainError(
            "already_decided", "Somebody has decided this already.", kind=ErrorKind.CONFLICT
        )
    return locked


def _put_in_force(proposal: PolicyProposal, *, by: str, note: str) -> SignalPolicy:
    kind = proposal.signal_kind
    before = SignalPolicy.objects.select_for_update().filter(signal_kind=kind).first()
    decided = PolicyProposal.objects.filter(signal_kind=kind, version__isnull=False)
    proposal.version = (
        decided.order_by("-version").values_list("version", flat=True).first() or 0
    ) + 1
    _decide(proposal, Status.APPROVED, by=by, note=note)
    row = before or SignalPolicy(signal_kind=kind)
    was = row.terms() if before else {}
    for name, value in proposal.terms().items():
        setattr(row, name, value)
    row.version = proposal.version
    row.save()
    record(Verb.CHANGED, row, before=shown(was), after=shown(row.terms()))
    return row


def _decide(
    proposal: PolicyProposal, status: str, *, by: str, note: str, now: datetime | None = None
) -> None:
    proposal.status, proposal.decided_by, proposal.decision = status, by, note
    proposal.decided_at = now or timezone.now()
    proposal.save()
