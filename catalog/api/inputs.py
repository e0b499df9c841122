"""What the catalog API takes and answers."""

from datetime import datetime

from pydantic import BaseModel


class FeedImportOutput(BaseModel):
    """How far an import is. `errors` leads to the rows that were not imported, as CSV."""

    id: int
    status: str
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
