"""What a browser's Global Privacy Control refuses here, for a request and for its shopper."""

from dataclasses import dataclass
from typing import cast

from rest_framework.request import Request

from profiles.models import PrivacyControl, Purpose
from tenants.settled import settled

HEADER = "Sec-GPC"
"""Sent by browsers as 1; a shop's server passes it on (https://www.w3.org/TR/gpc/, 3.3)."""

SOURCE = "Global Privacy Control"


@dataclass(frozen=True, slots=True)
class Control:
    """The purposes that the signal refuses, and whether it also withdraws them for good."""

    refuses: frozenset[str]
    remembers: bool = False


def privacy_control() -> Control:
    """The tenant's choice; it refuses every purpose unless the shop says otherwise. Settled."""
    return cast("Control", settled("privacy-control", _read))


def refused(purpose: Purpose, *, gpc: bool) -> bool:
    """Whether nothing of a request may be used for the purpose, because of its signal."""
    return gpc and purpose.value in privacy_control().refuses


def sent_with(request: Request, *, field: bool = False) -> bool:
    """Whether a request carries the signal: in its header, or in its own field."""
    return field or request.headers.get(HEADER, "").strip() == "1"


def _read() -> Control:
    row = PrivacyControl.objects.order_by("pk").first()
    return (
        Control(frozenset(Purpose.values))
        if row is None
        else Control(frozenset(row.refuses), row.remembers)
    )
