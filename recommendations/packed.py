"""A column that holds a whole array of numbers as bytes, for rows that are read by the dozen.

An array of PostgreSQL is sent element by element, each with its length: twice the bytes, and twice
the time. The price is that SQL cannot look into it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import models

INTEGER = ">i4"
REAL = ">f4"
"""In network byte order, as int4send and float4send make them; a real has all the precision of a
trained weight."""

Numbers = npt.NDArray[np.integer[Any]] | npt.NDArray[np.floating[Any]]


class PackedField(models.BinaryField[Sequence[Any] | Numbers, list[Any]]):
    """A list of numbers of one type, INTEGER or REAL; may be empty."""

    def __init__(self, of: str, **options: Any) -> None:
        self.of = of
        super().__init__(**options)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, [self.of, *args], options

    def from_db_value(self, value: bytes | None, *_: Any) -> list[Any] | None:
        return None if value is None else unpacked(value, self.of).tolist()

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002  # Django's signature
        if value is not None:
            value = packed(value, self.of)
        return super().get_db_prep_value(value, connection, prepared)


def packed(values: Sequence[Any] | Numbers, of: str) -> bytes:
    """The bytes that a column of this type keeps."""
    return np.asarray(values, dtype=of).tobytes()


def unpacked(value: bytes, of: str) -> npt.NDArray[Any]:
    """The numbers in the bytes of one row, or in those of several in a row."""
    return np.frombuffer(value, dtype=of)
