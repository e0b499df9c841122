"""What a JSON text holds: numbers exactly as written, and nothing that JSON does not allow."""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final, NoReturn, TypeVar

from catalog.feeds.rows import FeedErrorCode
from catalog.feeds.values import BadValue, shorten

T = TypeVar("T")


def parse_json(text: str) -> object:
    """dict, list, str, bool, None, and Decimal for every number.

    Refuses with `invalid_json` also what Python would let pass: NaN, Infinity, a key that
    occurs twice, and nesting deeper than the interpreter's stack.
    """
    return _refusing(lambda: _DECODER.decode(text))


def decode_json(text: str, start: int) -> tuple[object, int]:
    """As `parse_json`, of the value that begins at `start`; also where it ends."""
    return _refusing(lambda: _DECODER.raw_decode(text, start))


def _refusing(decode: Callable[[], T]) -> T:
    try:
        return decode()
    except RecursionError:
        raise BadValue(FeedErrorCode.INVALID_JSON, "The JSON is nested too deeply.") from None
    except json.JSONDecodeError as wrong:
        raise BadValue(
            FeedErrorCode.INVALID_JSON, f"The JSON is broken at column {wrong.colno}: {wrong.msg}."
        ) from None


def _parse_number(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise BadValue(
            FeedErrorCode.INVALID_JSON, "A number in the JSON is out of range."
        ) from None


def _parse_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    parsed: dict[str, object] = {}
    for key, value in pairs:
        if key in parsed:
            raise BadValue(FeedErrorCode.INVALID_JSON, f"The key “{shorten(key)}” occurs twice.")
        parsed[key] = value
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise BadValue(FeedErrorCode.INVALID_JSON, f"{name} is not JSON.")


_DECODER: Final = json.JSONDecoder(
    parse_int=_parse_number,
    parse_float=_parse_number,
    parse_constant=_refuse_constant,
    object_pairs_hook=_parse_object,
)
