"""What the profiles API takes and answers."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from profiles.contract import ContextKey, ContextValue, EventInput
from tenants.input import Input, Text

MAX_EVENTS = 1_000


class EventBatch(Input):
    """A batch of events, each checked for itself."""

    events: list[Any] = Field(min_length=1, max_length=MAX_EVENTS)


class DocumentedEventBatch(Input):
    """The same batch as the schema shows it."""

    events: list[EventInput] = Field(min_length=1, max_length=MAX_EVENTS)


class EventOutcome(BaseModel):
    status: str = Field(description="stored, repeated or refused")
    code: str | None = None
    fields: dict[str, str] | None = None


class EventOutcomes(BaseModel):
    stored: int
    repeated: int
    refused: int
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
