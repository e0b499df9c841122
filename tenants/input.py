"""From what a caller sent to a typed value, or a refusal that says which field is wrong."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from django.http import HttpRequest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails
from rest_framework.request import Request

from tenants.errors import DomainError

M = TypeVar("M", bound="Input")

MAX_FIELDS_NAMED = 20


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("NUL characters cannot be stored.")
    return text


Text = Annotated[str, StringConstraints(max_length=500), AfterValidator(_without_nul)]
LongText = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_without_nul)]
ExternalId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
    AfterValidator(_without_nul),
]


_external_id: TypeAdapter[str] = TypeAdapter(ExternalId)


class Input(BaseModel):
    """What a caller may send. A misspelled field is an error, not silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_body(request: Request, model: type[M]) -> M:
    """The JSON body as `model`. Raises DomainError `invalid_json` or `invalid_input`."""
    return _validated(lambda: model.model_validate_json(body_of(request)))


def parse_query(request: Request, model: type[M]) -> M:
    """The query string as `model`; of a repeated parameter the last value counts.

    Raises DomainError `invalid_input`.
    """
    return _validated(lambda: model.model_validate(request.query_params.dict()))


def external_id(value: object) -> str:
    """An id as it is stored: without spaces around it. Raises ValueError for what is none."""
    return _external_id.validate_python(value, strict=True)


def parse_external_id(text: str, *, field: str) -> str:
    """An id that is part of the address, as it is written in bodies: without spaces around it.

    Raises DomainError `invalid_input`.
    """
    try:
        return external_id(text)
    except ValidationError as error:
        raise DomainError(
            "invalid_input",
            "Some fields are not valid.",
            fields={field: error.errors(include_url=False)[0]["msg"]},
        ) from error


def body_of(request: Request) -> bytes:
    """The raw body. Django refuses one over DATA_UPLOAD_MAX_MEMORY_SIZE."""
    http_request: HttpRequest = request._request  # noqa: SLF001  # DRF's parsers would decode twice
    return http_request.body


def _validated(parse: Callable[[], M]) -> M:
    try:
        return parse()
    except ValidationError as error:
        raise refusal(error) from error


def refusal(error: ValidationError) -> DomainError:
    """What was wrong with the input, in the API's form. Never repeats the input itself."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        return DomainError("invalid_json", f"The body is not JSON: {details[0]['msg']}.")
    return DomainError(
        "invalid_input",
        "Some fields are not valid.",
        fields={field_of(detail): detail["msg"] for detail in details[:MAX_FIELDS_NAMED]},
    )


def field_of(detail: ErrorDetails) -> str:
    """The path of the field that a validation error is about, such as `events.3.kind`."""
    return ".".join(str(part)[:100] for part in detail["loc"]) or "body"
