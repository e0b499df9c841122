"""What the recommendations API takes and answers."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from tenants.input import ExternalId, Input

MAX_LIMIT = 100
MAX_CART_ITEMS = 50


def _split(value: Any) -> Any:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


class RecommendationQuery(Input):
    placement: ExternalId = Field(description="home, item, cart, or another of the shop's.")
    shopper: ExternalId | None = Field(None, description="The shop's own id of a known shopper.")
    anonymous: ExternalId | None = Field(None, description="A device or cookie id.")
    item: ExternalId | None = Field(None, description="The item on the page.")
    items: Annotated[list[ExternalId], BeforeValidator(_split)] | None = Field(
        None,
        max_length=MAX_CART_ITEMS,
        description="What is in the cart, separated by commas; by default what events say.",
    )
    limit: int = Field(10, ge=1, le=MAX_LIMIT)


class OfferOutput(BaseModel):
    price: str
    sale_price: str | None
    currency: str
    in_stock: bool


class CitedSignal(BaseModel):
    kind: str
    item: str | None = Field(description="The item that the signal is about.")
    title: str | None
    at: str | None = Field(description="When it last happened.")
    events: int = Field(description="How many stored events it stands for.")


class ReasonOutput(BaseModel):
    text: str
    kind: str
    cited: list[CitedSignal]


class ActionOutput(BaseModel):
    type: str
    href: str
    method: str
    body: dict[str, Any] | None = None


class SlateItemOutput(BaseModel):
    item: str
    kind: str
    title: str
    brand: str
    category_path: list[str]
    image: str
    address: str
    offer: OfferOutput | None
    relevance: float = Field(ge=0, le=1)
    reason: ReasonOutput | None
    actions: list[ActionOutput]


class SlateOutput(BaseModel):
    decision: str = Field(description="Name it in events, and ask why by it.")
    placement: str
    personalized: bool
    fallbacks: list[str] = Field(description="Layers that were out; empty as a rule.")
    items: list[SlateItemOutput]


class LedgerSignal(BaseModel):
    kind: str
    item: str | None
    title: str | None
    at: str | None
    events: int
    name: str | None = Field(description="Of a merchandising rule.")


class LedgerEntry(BaseModel):
    generator: str
    signal: LedgerSignal
    amount: float


class ExplainedItem(BaseModel):
    item: str
    title: str
    position: int
    score: float = Field(description="The sum of the ledger's amounts.")
    relevance: float
    reason: str | None
    ledger: list[LedgerEntry]


class WhyOutput(BaseModel):
    decision: str
    placement: str
    served_at: str
    personalized: bool
    ranker_version: int | None
    fallbacks: list[str]
    items: list[ExplainedItem]
