"""Who is at the storefront: one of the demo's shoppers, or a new visitor with an own id."""

import secrets
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from profiles.consent import consents_of
from profiles.identity import ShopperRef, find_shopper
from profiles.models import Consent, Purpose, Shopper

SESSION_KEY = "storefront"
FEATURED_TRAIT = "demo_position"
"""Where a shopper stands in the chooser. Nobody can become a shopper without this trait."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever looks at the pages. `shopper` is None until a new visitor has done something."""

    ref: ShopperRef
    visit: str
    shopper: Shopper | None
    personalization: bool

    @property
    def known(self) -> bool:
        return self.ref.known is not None

    @property
    def name(self) -> str:
        traits = self.shopper.traits if self.shopper else {}
        return str(traits.get("name", "")) or (self.ref.known or "New visitor")

    @property
    def first_name(self) -> str:
        return self.name.split()[0] if self.known else ""

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2]).upper()

    @property
    def summary(self) -> str:
        traits = self.shopper.traits if self.shopper else {}
        return str(traits.get("summary", ""))

    @property
    def left_out(self) -> int:
        """How many things they said not to use."""
        return len(self.shopper.muted) if self.shopper else 0

    @property
    def event_fields(self) -> dict[str, str]:
        """How an event names who did it, and in which visit."""
        who = {"shopper": self.ref.known, "anonymous": self.ref.anonymous, "session": self.visit}
        return {name: value for name, value in who.items() if value}


@dataclass(frozen=True, slots=True)
class Introduction:
    """One of the demo's shoppers, as the chooser introduces them."""

    external_id: str
    name: str
    summary: str
    personalization: bool


def kept(request: HttpRequest) -> dict[str, Any]:
    """What the storefront keeps in this browser's session; `keep` changes it."""
    values: dict[str, Any] = request.session.get(SESSION_KEY) or {}
    return values


def keep(request: HttpRequest, **changes: Any) -> None:
    request.session[SESSION_KEY] = {**kept(request), **changes}


def current_visitor(request: HttpRequest) -> Visitor:
    """Who this browser's session belongs to. Two queries.

    A session without anybody gets a new visitor, and so does one whose shopper was erased.
    """
    values = kept(request)
    ref = ShopperRef.given(values.get("known"), values.get("anonymous"))
    shopper = find_shopper(ref) if ref else None
    if ref is None or (ref.known and shopper is None):
        become_new_visitor(request)
        return current_visitor(request)
    consents = consents_of(shopper) if shopper else {}
    return Visitor(
        ref=ref,
        visit=values["visit"],
        shopper=shopper,
        personalization=consents.get(Purpose.PERSONALIZATION.value, False),
    )


def become_new_visitor(request: HttpRequest) -> None:
    """Forget who was here, and their cart: the next one starts without either."""
    request.session[SESSION_KEY] = {"anonymous": f"web-{secrets.token_hex(8)}", "visit": _visit()}


def become_shopper(request: HttpRequest, external_id: str) -> bool:
    """Shop as one of the featured shoppers, with an empty cart; False if there is none such."""
    if not any(shopper.external_id == external_id for shopper in featured_shoppers()):
        return False
    request.session[SESSION_KEY] = {"known": external_id, "visit": _visit()}
    return True


def featured_shoppers() -> list[Shopper]:
    """The shoppers that the demo offers to shop as, in order."""
    return list(
        Shopper.objects.filter(traits__has_key=FEATURED_TRAIT, external_id__isnull=False).order_by(
            f"traits__{FEATURED_TRAIT}"
        )
    )


def introductions() -> list[Introduction]:
    """The featured shoppers in words. Two queries."""
    shoppers = featured_shoppers()
    granting = set(
        Consent.objects.filter(
            shopper__in=shoppers, purpose=Purpose.PERSONALIZATION, granted=True
        ).values_list("shopper_id", flat=True)
    )
    return [
        Introduction(
            external_id=str(shopper.external_id),
            name=str(shopper.traits.get("name", "")),
            summary=str(shopper.traits.get("summary", "")),
            personalization=shopper.pk in granting,
        )
        for shopper in shoppers
    ]


def _visit() -> str:
    return f"visit-{secrets.token_hex(8)}"
