"""Reading Postgres arrays and vectors as numpy arrays, without a Python object an element."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg import ClientCursor
from psycopg.pq import Format

from catalog.vectors import VECTOR_HEADER
from recommendations.packed import INTEGER, REAL, unpacked

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


@contextmanager
def binary_cursor() -> Iterator[CursorWrapper]:
    """A cursor whose rows arrive in binary: a vector as text is twice as long, and slow to read.

    As text where DATABASE_PREPARE is off: the protocol's simple messages have nothing else.
    """
    with connection.cursor() as cursor:
        if not isinstance(cursor.cursor, ClientCursor):
            cursor.cursor.format = Format.BINARY
        yield cursor


def integers(sent: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """What a column of packed integers holds in some rows, one after the other."""
    return unpacked(b"".join(sent), INTEGER).astype(np.int64)


def reals(sent: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """What a column of packed reals holds in some rows, one after the other."""
    return unpacked(b"".join(sent), REAL).astype(np.float64)


def lengths(sent: Sequence[bytes]) -> list[int]:
    """How many numbers each row of such a column holds."""
    return [len(row) // np.dtype(INTEGER).itemsize for row in sent]


def half_vectors(sent: Sequence[bytes]) -> Matrix:
    """What `halfvec_send` made of vectors of one length, as the rows of a matrix."""
    body = b"".join([vector[VECTOR_HEADER:] for vector in sent])
    return np.frombuffer(body, dtype=">f2").astype(np.float64).reshape(len(sent), -1)
