"""What the recommendations API takes and answers."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from recommendations.rule_models import MAX_AMOUNT
from recommendations.rules import Circumstances
from tenants.input import ExternalId, Input, Text

MAX_LIMIT = 100
MAX_CART_ITEMS = 50


def _split(value: Any) -> Any:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


Device = Annotated[
    Literal["", "mobile", "tablet", "desktop"],
    Field(description="What the shopper looks with: mobile, tablet or desktop."),
]
Country = Annotated[
    str, Field(pattern="^([A-Za-z]{2})?$", description="Where from: a code of two letters.")
]
Referrer = Annotated[
    Text,
    Field(
        max_length=100,
        description="Where the visit came from, as events say it in their context.",
    ),
]


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
    query: Text = Field("", description="What was searched for: for rules of a search.")
    device: Device = ""
    country: Country = ""
    referrer: Referrer = ""
    limit: int = Field(10, ge=1, le=MAX_LIMIT)
    gpc: bool = Field(default=False, description="The browser sent Global Privacy Control.")

    @property
    def around(self) -> Circumstances:
        return Circumstances(self.query, self.device, self.country, self.referrer)


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
    promotion: str | None = Field(description="What the campaign it is part of is called.")
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


class TriedRule(Input):
    """A stored rule, with another strength or position than it has."""

    rule: int = Field(ge=1, le=2**63 - 1)
    amount: float | None = Field(None, ge=0, le=MAX_AMOUNT)
    position: int | None = Field(None, ge=1, le=MAX_LIMIT)


class SimulationInput(RecommendationQuery):
    """A request, and the rules to answer it under beside the live ones."""

    at: AwareDatetime | None = Field(None, description="When; now by default.")
    adding: list[int] = Field(
        [], max_length=100, description="Ids of rules to apply that are not live."
    )
    without: list[int] = Field([], max_length=100, description="Ids of live rules to leave out.")
    edits: list[TriedRule] = Field([], max_length=100)


class SimulatedItem(BaseModel):
    item: str
    title: str
    position: int
    relevance: float
    promotion: str | None
    reason: str | None
    rules: list[str] = Field(description="Names of the rules in its ledger.")


class MoveOutput(BaseModel):
    item: str
    title: str
    live: int | None = Field(description="Its position as it is served now; null if not shown.")
    trial: int | None
    why: str


class SimulationOutput(BaseModel):
    placement: str
    live: list[SimulatedItem]
    trial: list[SimulatedItem]
    moves: list[MoveOutput] = Field(description="Items whose positions differ.")
    absent: list[str] = Field(description="Pins on trial that are not shown, and why.")
    fallbacks: list[str]
