"""What each kind of signal may do for this tenant: rank, and be cited."""

from dataclasses import dataclass
from typing import cast

from profiles.models import SignalPolicy
from profiles.signals import SignalKind
from tenants.settled import settled


@dataclass(frozen=True, slots=True)
class Policy:
    """The kinds of signal that ranking may use, and those that a reason may name."""

    may_rank: frozenset[str]
    may_cite: frozenset[str]


def signal_policy() -> Policy:
    """The tenant's policy; what no row speaks of may do
    everything, but for UNCITED. Settled."""
    return cast("Policy", settled("signal-policy", _read_policy))


UNCITED = frozenset({SignalKind.CIRCUMSTANCE})
"""Kinds that no reason names unless the merchant says so: few like to be told."""


def _read_policy() -> Policy:
    rows = {row.signal_kind: row for row in SignalPolicy.objects.all()}
    may_rank = {k for k in SignalKind if k not in rows or rows[k].may_rank}
    return Policy(
        may_rank=frozenset(map(str, may_rank)),
        # What did not rank did not contribute, so it cannot be a reason either.
        may_cite=frozenset(
            str(k) for k in may_rank if (rows[k].may_cite if k in rows else k not in UNCITED)
        ),
    )


def set_signal_policy(kind: SignalKind, *, may_rank: bool, may_cite: bool) -> None:
    """Allow or forbid a kind of signal, from the next request on."""
    SignalPolicy.objects.update_or_create(
        signal_kind=kind, defaults={"may_rank": may_rank, "may_cite": may_cite}
    )
