"""Reading Postgres arrays and vectors as numpy arrays, without a Python object an element."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.pq import Format

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

ARRAY_HEADER = 20  # dimensions, null flag, element type, length, lower bound: five 4-byte words
VECTOR_HEADER = 4  # dimensions and a spare: two 2-byte words


@contextmanager
def binary_cursor() -> Iterator[CursorWrapper]:
    """A cursor whose rows arrive in binary: a vector as text is twice as long, and slow to read."""
    with connection.cursor() as cursor:
        cursor.cursor.format = Format.BINARY
        yield cursor


def integers(sent: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """What `array_send` made of int4[] values without nulls, one after the other.

    Each element is its length (4) and its value, both big-endian: PostgreSQL's array_send.
    """
    body = b"".join([array[ARRAY_HEADER:] for array in sent])
    return np.frombuffer(body, dtype=">i4")[1::2].astype(np.int64)


def reals(sent: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """What `array_send` made of real[] values without nulls, one after the other."""
    body = b"".join([array[ARRAY_HEADER:] for array in sent])
    return np.frombuffer(body, dtype=">f4")[1::2].astype(np.float64)


def lengths(sent: Sequence[bytes]) -> list[int]:
    """How many 4-byte elements each of these arrays has."""
    return [max(len(array) - ARRAY_HEADER, 0) // 8 for array in sent]


def half_vectors(sent: Sequence[bytes]) -> Matrix:
    """What `halfvec_send` made of vectors of one length, as the rows of a matrix."""
    body = b"".join([vector[VECTOR_HEADER:] for vector in sent])
    return np.frombuffer(body, dtype=">f2").astype(np.float64).reshape(len(sent), -1)
