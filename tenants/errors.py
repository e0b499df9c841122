"""The one family of errors a caller can do something about."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel


class ErrorKind(StrEnum):
    """What sort of refusal it is; `config.api` maps each to one HTTP status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNPROCESSABLE = "unprocessable"
    TOO_MANY = "too_many"


class DomainError(Exception):
    """A rule was broken. `code` is part of the API and never changes; `detail` is for people."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        kind: ErrorKind = ErrorKind.INVALID,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.kind = kind
        self.fields = dict(fields or {})


class ErrorOutput(BaseModel):
    """Every refusal of the API: a code for programs and a sentence for people."""

    code: str
    detail: str
    fields: dict[str, str] | None = None


REFUSALS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429), ErrorOutput)
"""What any operation may answer besides its own, for `extend_schema`; 404 of an unknown host."""

BODY_REFUSALS: dict[int, Any] = {**REFUSALS, 413: ErrorOutput}
"""The same for an operation that takes a body."""
