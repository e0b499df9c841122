"""What an event must say, kind by kind: the contract of `POST /api/v1/events` and of imports."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, model_validator

from tenants.input import ExternalId, Input, LongText, Text

OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=10)
"""How far in the future an event may lie: the clocks of storefronts are not ours."""

MAX_CONTEXT_ENTRIES = 20


def _plausible(at: datetime) -> datetime:
    if at < OLDEST:
        raise ValueError("Events before the year 2000 are not accepted.")
    if at > datetime.now(UTC) + CLOCK_SKEW:
        raise ValueError("The event lies in the future.")
    return at.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_plausible)]
Quantity = Annotated[int, Field(ge=1, le=1_000_000)]
Amount = Annotated[Decimal, Field(ge=0, le=Decimal(10) ** 12, decimal_places=4)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
WholeNumber = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""What every JSON reader reads exactly (RFC 8259, section 6)."""

Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
ContextKey = Annotated[Text, Field(max_length=50)]
ContextValue = Text | bool | WholeNumber | Number | None


class _Event(Input):
    """What every event says. At least one of `shopper` and `anonymous` names who did it."""

    shopper: ExternalId | None = Field(None, description="The shop's own id of a known shopper.")
    anonymous: ExternalId | None = Field(None, description="A device or cookie id.")
    session: ExternalId | None = None
    occurred_at: Moment | None = Field(None, description="With an offset; now, if left out.")
    idempotency_key: ExternalId | None = Field(
        None, description="A repeated key changes nothing, within 30 days."
    )
    decision: UUID | None = Field(None, description="The slate that the event answers.")
    gpc: bool = Field(default=False, description="The browser sent Global Privacy Control.")
    context: dict[ContextKey, ContextValue] = Field(
        default_factory=dict, max_length=MAX_CONTEXT_ENTRIES
    )

    @model_validator(mode="after")
    def somebody_did_it(self) -> Self:
        if self.shopper is None and self.anonymous is None:
            raise ValueError("Either shopper or anonymous must be given.")
        return self


class ItemEvent(_Event):
    kind: Literal["view", "click", "wishlist", "dismiss"]
    item: ExternalId


class CartEvent(_Event):
    kind: Literal["add_to_cart", "remove_from_cart"]
    item: ExternalId
    quantity: Quantity = 1


class PurchaseEvent(_Event):
    kind: Literal["purchase", "return"]
    item: ExternalId
    quantity: Quantity = 1
    value: Amount | None = Field(None, description="Of the line, not of one piece.")
    currency: Currency | None = None


class SearchEvent(_Event):
    kind: Literal["search"]
    query: Text


class DwellEvent(_Event):
    kind: Literal["dwell"]
    item: ExternalId
    seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class RatingEvent(_Event):
    kind: Literal["rating"]
    item: ExternalId
    rating: Annotated[float, Field(ge=1, le=5, allow_inf_nan=False)]


class ReviewEvent(_Event):
    kind: Literal["review"]
    item: ExternalId
    rating: Annotated[float, Field(ge=1, le=5, allow_inf_nan=False)] | None = None
    text: LongText


class SupportTicketEvent(_Event):
    kind: Literal["support_ticket"]
    item: ExternalId | None = None
    text: LongText


EventInput = Annotated[
    ItemEvent
    | CartEvent
    | PurchaseEvent
    | SearchEvent
    | DwellEvent
    | RatingEvent
    | ReviewEvent
    | SupportTicketEvent,
    Field(discriminator="kind"),
]
event_adapter: TypeAdapter[Any] = TypeAdapter(EventInput)
