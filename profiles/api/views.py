"""Events in; shoppers and their consents."""

from collections import Counter
from dataclasses import asdict
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.api.inputs import (
    ConsentChoices,
    ConsentHistoryOutput,
    DocumentedEventBatch,
    EventBatch,
    EventOutcomes,
    MuteInput,
    OwnSignalsOutput,
    ShopperInput,
    ShopperOutput,
    UnmuteInput,
)
from profiles.api.privacy import NAMED_BY, RequestOutput, erase_shopper
from profiles.consent import consent_proofs, consents_of, record_consents
from profiles.global_privacy_control import sent_with
from profiles.identity import ShopperRef, ensure_shoppers, get_shopper
from profiles.ingest import OutcomeStatus, record_events
from profiles.models import Purpose, Shopper
from profiles.mutes import mute, mutes_of, unmute
from profiles.own_signals import own_signals
from tenants.browser_keys import about_shopper, claim_of
from tenants.errors import BODY_REFUSALS, REFUSALS, DomainError, ErrorKind, ErrorOutput
from tenants.idempotency import idempotent
from tenants.input import parse_body, parse_external_id
from tenants.models import Scope

SHOPPER_ID = OpenApiParameter(
    "shopper", str, OpenApiParameter.PATH, description="The shop's own id of the shopper."
)


class EventsView(APIView):
    required_scopes: ClassVar = {"POST": Scope.EVENTS_WRITE}
    browser_methods = ("POST",)

    @idempotent
    @extend_schema(
        summary="Send events",
        request=DocumentedEventBatch,
        responses={200: EventOutcomes, **BODY_REFUSALS},
        examples=[
            OpenApiExample(
                "A view and a purchase",
                request_only=True,
                value={
                    "events": [
                        {"kind": "view", "shopper": "s-7", "item": "SKU-1", "session": "v-1"},
                        {
                            "kind": "purchase",
                            "shopper": "s-7",
                            "item": "SKU-2",
                            "quantity": 2,
                            "value": "49.80",
                            "currency": "EUR",
                            "occurred_at": "2026-05-04T10:00:00Z",
                            "idempotency_key": "order-991-line-1",
                        },
                    ]
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Up to 1,000 events; each is stored, repeated or refused for itself, in order."""
        batch = parse_body(request, EventBatch)
        events = [_of_token(request, event) for event in batch.events]
        outcomes = record_events(events, gpc=sent_with(request))
        counts = Counter(outcome.status for outcome in outcomes)
        return Response(
            {
                **{status.value: counts[status] for status in OutcomeStatus},
                "outcomes": [
                    {"status": outcome.status, "code": outcome.code, "fields": outcome.fields}
                    if outcome.code
                    else {"status": outcome.status}
                    for outcome in outcomes
                ],
            }
        )


class ShopperView(APIView):
    required_scopes: ClassVar = {
        "GET": Scope.SHOPPERS_READ,
        "PUT": Scope.SHOPPERS_WRITE,
        "DELETE": Scope.SHOPPERS_ERASE,
    }

    @extend_schema(
        summary="Read a shopper",
        parameters=[SHOPPER_ID],
        responses={200: ShopperOutput, **REFUSALS},
    )
    def get(self, request: Request, shopper: str) -> Response:
        """What the shop told us of a shopper, and what the shopper allows."""
        return Response(_output(_found(request, shopper)))

    @idempotent
    @extend_schema(
        summary="Create or change a shopper",
        parameters=[SHOPPER_ID],
        request=ShopperInput,
        responses={200: ShopperOutput, **BODY_REFUSALS, 409: ErrorOutput},
    )
    def put(self, request: Request, shopper: str) -> Response:
        """Traits come from the shop, preferences from the shopper. What is left out stays."""
        given = parse_body(request, ShopperInput)
        found = _ensure(request, shopper)
        if given.traits is not None:
            found.traits = given.traits
        if given.preferences is not None:
            found.preferences = given.preferences
        found.save(update_fields=["traits", "preferences"])
        return Response(_output(found))

    @idempotent
    @extend_schema(
        summary="Erase a shopper",
        parameters=[SHOPPER_ID, NAMED_BY],
        responses={200: RequestOutput, 202: RequestOutput, **REFUSALS},
    )
    def delete(self, request: Request, shopper: str) -> Response:
        """From every store, within a minute; for good, and with a certificate. Asking again answers
        the same request."""
        return erase_shopper(request, shopper)


class ConsentsView(APIView):
    required_scopes: ClassVar = {"GET": Scope.SHOPPERS_READ, "PUT": Scope.SHOPPERS_WRITE}
    browser_methods = ("GET", "PUT")

    @extend_schema(
        summary="Read consents and their proof",
        parameters=[SHOPPER_ID],
        responses={200: ConsentHistoryOutput, **REFUSALS},
    )
    def get(self, request: Request, shopper: str) -> Response:
        """What the shopper allows now, and every choice that led there."""
        found = _found(request, shopper)
        return Response(
            {
                "consents": consents_of(found),
                "history": [
                    {
                        "purpose": change.purpose,
                        "granted": change.granted,
                        "changed_at": change.changed_at.isoformat(),
                        "source": change.source,
                        "set_by": f"{change.set_by_kind} {change.set_by}".strip(),
                        "text": change.text_version,
                        "wording": wording,
                    }
                    for change, wording in consent_proofs(found)
                ],
            }
        )

    @idempotent
    @extend_schema(
        summary="Grant or withdraw consent",
        parameters=[SHOPPER_ID],
        request=ConsentChoices,
        responses={200: ShopperOutput, **BODY_REFUSALS, 409: ErrorOutput},
    )
    def put(self, request: Request, shopper: str) -> Response:
        """In force from the next request on, on every path."""
        choices = parse_body(request, ConsentChoices)
        found = _ensure(request, shopper)
        chosen = {
            purpose: granted
            for purpose in Purpose
            if (granted := getattr(choices, purpose.value)) is not None
        }
        if found.restricted_at and any(chosen.values()):
            raise DomainError(
                "restricted_shopper",
                "Use of this shopper's data is restricted; nothing can be granted until a privacy"
                " officer lifts the restriction.",
                kind=ErrorKind.CONFLICT,
            )
        record_consents([found], chosen, source=choices.source, text=choices.text)
        return Response(_output(found))


class SignalsView(APIView):
    required_scopes: ClassVar = {"GET": Scope.SHOPPERS_READ}
    browser_methods = ("GET",)

    @extend_schema(
        summary="What ranking reads of a shopper",
        parameters=[SHOPPER_ID],
        responses={200: OwnSignalsOutput, **REFUSALS},
    )
    def get(self, request: Request, shopper: str) -> Response:
        """Each signal with what it may do, and what the shopper muted. No signal is read without
        consent for personalization."""
        return Response(_signals(_found(request, shopper)))


class MutesView(APIView):
    required_scopes: ClassVar = {
        "POST": Scope.SHOPPERS_WRITE,
        "DELETE": Scope.SHOPPERS_WRITE,
    }
    browser_methods = ("POST", "DELETE")

    @idempotent
    @extend_schema(
        summary="Mute a signal",
        parameters=[SHOPPER_ID],
        request=MuteInput,
        responses={200: OwnSignalsOutput, **BODY_REFUSALS},
    )
    def post(self, request: Request, shopper: str) -> Response:
        """ "Don't use this": it is neither ranked on nor cited, from the next request on."""
        given = parse_body(request, MuteInput)
        found = _ensure(request, shopper)
        mute(found, kind=given.kind, item=given.item, name=given.name, now=timezone.now())
        return Response(_signals(found))

    @idempotent
    @extend_schema(
        summary="Use a muted signal again",
        parameters=[SHOPPER_ID],
        request=UnmuteInput,
        responses={200: OwnSignalsOutput, **BODY_REFUSALS},
    )
    def delete(self, request: Request, shopper: str) -> Response:
        """Undoes a mute that says the same. Undoing what is not muted changes nothing."""
        given = parse_body(request, UnmuteInput)
        found = _found(request, shopper)
        unmute(found, kind=given.kind, item=given.item, name=given.name)
        return Response(_signals(found))


def _signals(shopper: Shopper) -> dict[str, Any]:
    now = timezone.now()
    return {
        "personalization": consents_of(shopper)[Purpose.PERSONALIZATION],
        "signals": [asdict(signal) for signal in own_signals(shopper, now=now)],
        "mutes": [asdict(each) for each in mutes_of(shopper)],
    }


def _of_token(request: Request, event: Any) -> Any:
    """An event as it was sent; of a browser, about its token's shopper and nobody else."""
    if claim_of(request) is None or not isinstance(event, dict):
        return event
    named = about_shopper(request, event.get("shopper"), event.get("anonymous"))
    return {**event, "shopper": named.known, "anonymous": named.anonymous}


def _found(request: Request, shopper: str) -> Shopper:
    """The shopper in the address. Raises DomainError `unknown_shopper` or `other_shopper`."""
    external_id = parse_external_id(shopper, field="shopper")
    about_shopper(request, external_id, None)
    return get_shopper(external_id)


def _ensure(request: Request, shopper: str) -> Shopper:
    external_id = parse_external_id(shopper, field="shopper")
    about_shopper(request, external_id, None)
    if not ensure_shoppers([ShopperRef(known=external_id)]):
        raise DomainError(
            "erased_shopper", "The shopper with this id was erased.", kind=ErrorKind.CONFLICT
        )
    return get_shopper(external_id)


def _output(shopper: Shopper) -> dict[str, Any]:
    return {
        "id": shopper.external_id,
        "traits": shopper.traits,
        "preferences": shopper.preferences,
        "consents": consents_of(shopper),
    }
