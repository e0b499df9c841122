"""What the profiles API takes and answers."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from profiles.contract import ContextKey, ContextValue, EventInput
from profiles.policy import KINDS
from tenants.input import ExternalId, Input, Text

MAX_EVENTS = 1_000


class EventBatch(Input):
    """A batch of events, each checked for itself."""

    events: list[Any] = Field(min_length=1, max_length=MAX_EVENTS)


class DocumentedEventBatch(Input):
    """The same batch as the schema shows it."""

    events: list[EventInput] = Field(min_length=1, max_length=MAX_EVENTS)


class EventOutcome(BaseModel):
    status: str = Field(description="stored, repeated, refused or erased")
    code: str | None = None
    fields: dict[str, str] | None = None


class EventOutcomes(BaseModel):
    stored: int
    repeated: int
    refused: int
    erased: int = Field(description="Of shoppers who were erased; not stored.")
    outcomes: list[EventOutcome] = Field(description="One for each event, in order.")


class ConsentChoices(Input):
    """Purposes to grant or withdraw; those left out stay as they are."""

    personalization: bool | None = None
    analytics: bool | None = None
    marketing: bool | None = None
    language_model: bool | None = None
    research: bool | None = None
    source: Annotated[Text, Field(min_length=1, max_length=200)] = Field(
        description="Where the shopper chose, as 'cookie banner'."
    )
    text: Annotated[Text, Field(max_length=100)] = Field(
        "", description="The version of what the shopper was told."
    )


class ShopperInput(Input):
    traits: dict[ContextKey, ContextValue] | None = Field(None, max_length=100)
    preferences: dict[ContextKey, ContextValue] | None = Field(None, max_length=100)


class ShopperOutput(BaseModel):
    id: str
    traits: dict[str, Any]
    preferences: dict[str, Any]
    consents: dict[str, bool]


class MuteInput(Input):
    """What not to use: a kind of signal, an item or both, or a kind and a name. Take it from
    `GET …/signals`, or from what a reason cites."""

    kind: Literal["", *KINDS] = Field("", description="A kind of signal; empty: any.")  # type: ignore[valid-type]  # written out it would be another list of kinds
    item: ExternalId | None = Field(None, description="About which item.")
    name: Text | None = Field(None, description="Of a preference, a search or a circumstance.")

    @model_validator(mode="after")
    def says_something(self) -> Self:
        if not self.kind and self.item is None:
            raise ValueError("Either kind or item must be given.")
        if self.name is not None and (not self.kind or self.item is not None):
            raise ValueError("A name goes with a kind, and not with an item.")
        return self


class UnmuteInput(MuteInput):
    """A mute to undo, as it was said."""


class MuteOutput(BaseModel):
    kind: str
    item: str | None
    name: str | None
    since: str


class OwnSignalOutput(BaseModel):
    kind: str
    item: str | None
    title: str | None
    name: str | None = Field(description="Of a preference or a search.")
    strength: float = Field(description="As of now: it halves every 180 days.")
    events: int = Field(description="How many stored events it stands for.")
    at: str | None = Field(description="When it last happened.")
    may_rank: bool
    may_cite: bool
    muted: bool


class OwnSignalsOutput(BaseModel):
    personalization: bool = Field(description="Whether anything of it is read at all.")
    signals: list[OwnSignalOutput] = Field(description="The latest first.")
    mutes: list[MuteOutput]


class ConsentChangeOutput(BaseModel):
    """One grant or withdrawal, and what proves it."""

    purpose: str
    granted: bool
    changed_at: str
    source: str = Field(description="Where the shopper chose.")
    set_by: str = Field(description="Who sent it: a key, a staff user, a program.")
    text: str = Field(description="The version of what the shopper was told.")
    wording: str | None = Field(description="Of that version, where it is kept here.")


class ConsentHistoryOutput(BaseModel):
    consents: dict[str, bool]
    history: list[ConsentChangeOutput] = Field(description="The latest first, at most 1,000.")
