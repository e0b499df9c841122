"""What the catalog API takes and answers."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from catalog.written_rows import RowOutcome, RowStatus
from tenants.input import ExternalId, Input

MAX_ROWS = 1_000

Amount = str | float | int
"""With or without its currency: 12.99, "12.99", "12.99 EUR"."""


class FeedImportOutput(BaseModel):
    """How far an import is. `errors` leads to the rows that were not imported, as CSV."""

    id: int
    status: str
    content: str
    format: str
    file_name: str
    rows: int
    created: int
    updated: int
    unchanged: int
    archived: int
    failed: int
    failure: str
    started_at: datetime | None
    finished_at: datetime | None
    errors: str


class ItemBatch(Input):
    """Items, each checked for itself."""

    items: list[Any] = Field(min_length=1, max_length=MAX_ROWS)


class OfferBatch(Input):
    """Changes of offers, each checked for itself."""

    offers: list[Any] = Field(min_length=1, max_length=MAX_ROWS)


class ItemRow(Input):
    """All of an item, as the schema shows it; the rules are those of feeds."""

    item: ExternalId = Field(description="The shop's own id of the item.")
    title: Annotated[str, Field(min_length=1, max_length=500)]
    kind: str | None = Field(None, description="product unless said otherwise.")
    description: str | None = None
    brand: str | None = None
    category_path: list[str] | str | None = Field(None, description="From wide to narrow.")
    attributes: dict[str, Any] | None = None
    images: list[str] | str | None = None
    address: str | None = Field(None, description="The item's page.")
    language: str | None = None
    available: bool | str | None = None
    group_id: str | None = Field(None, description="Variants of one thing share it.")
    price: Amount | None = Field(None, description="Of a product needed.")
    sale_price: Amount | None = None
    sale_period: str | None = Field(None, description="start/end in ISO 8601.")
    currency: str | None = Field(None, description="The shop's own if left out.")
    cost: Amount | None = None
    stock: Amount | None = Field(None, description="Null where stock is not counted.")


class DocumentedItemBatch(Input):
    """The same batch as the schema shows it."""

    items: list[ItemRow] = Field(min_length=1, max_length=MAX_ROWS)


class OfferRow(Input):
    """What to change of an offer. What is left out stays."""

    item: ExternalId
    price: Amount | None = None
    sale_price: Amount | None = Field(None, description="Null ends the sale.")
    currency: str | None = None
    cost: Amount | None = None
    stock: Amount | None = Field(None, description="Null where stock is not counted.")
    available: bool | str | None = None


class DocumentedOfferBatch(Input):
    """The same batch as the schema shows it."""

    offers: list[OfferRow] = Field(min_length=1, max_length=MAX_ROWS)


class RowOutcomeOutput(BaseModel):
    status: str = Field(description="created, updated, unchanged or refused")
    code: str | None = None
    fields: dict[str, str] | None = None


class RowOutcomes(BaseModel):
    created: int
    updated: int
    unchanged: int
    refused: int
    outcomes: list[RowOutcomeOutput] = Field(description="One for each row, in order.")


def outcomes_output(outcomes: list[RowOutcome]) -> dict[str, Any]:
    """The answer to a batch, as RowOutcomes has it."""
    told = [outcome.status for outcome in outcomes]
    return {
        **{status.value: told.count(status) for status in RowStatus},
        "outcomes": [
            {"status": outcome.status, "code": outcome.code, "fields": outcome.fields}
            if outcome.code
            else {"status": outcome.status}
            for outcome in outcomes
        ],
    }
