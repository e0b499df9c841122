"""The one family of errors a caller can do something about."""

from collections.abc import Mapping
from enum import StrEnum


class ErrorKind(StrEnum):
    """What sort of refusal it is; `config.api` maps each to one HTTP status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
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
