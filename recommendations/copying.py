"""Many rows out of the database and into it, by COPY in binary."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

IntArray = npt.NDArray[np.int64]

HEADER, TRAILER = 19, 2
"""Bytes before the first row and after the last: the binary format of PostgreSQL's COPY."""
CHUNK = 1 << 24
"""Bytes turned into integers at a time."""


def copied_integers(rows: QuerySet[Any, Any], *, columns: int) -> list[IntArray]:
    """One array a column of a query whose columns are all bigint and never null.

    Raises ValueError when a row is not so many such columns.
    """
    fields = [("columns", ">i2")]
    for column in range(columns):
        fields += [(f"length{column}", ">i4"), (f"value{column}", ">i8")]
    layout = np.dtype(fields)
    parts: list[list[IntArray]] = [[np.zeros(0, dtype=np.int64)] for _ in range(columns)]
    for chunk in _chunks(rows):
        if len(chunk) % layout.itemsize:
            raise ValueError("The query has other columns than asked for, or an empty value.")
        table = np.frombuffer(chunk, dtype=layout)
        if len(table) and not (table["columns"] == columns).all():
            raise ValueError("The query has other columns than asked for.")
        for column, part in enumerate(parts):
            if not (table[f"length{column}"] == 8).all():
                raise ValueError("The query has a column that is not a bigint.")
            part.append(table[f"value{column}"].astype(np.int64))
    return [np.concatenate(part) for part in parts]


def copied_rows(rows: QuerySet[Any, Any], *, types: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query whose columns have these types of PostgreSQL, one at a time."""
    try:
        query, params = rows.query.sql_with_params()
    except EmptyResultSet:  # one of none of the ids, say
        return
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)", params) as copy,
    ):
        copy.set_types(list(types))
        yield from copy.rows()


def copy_in(table: str, columns: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows to a table. `columns` has the type of each."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


def _chunks(rows: QuerySet[Any, Any]) -> Iterator[bytes]:
    """The rows of a query in COPY's binary format, whole rows at a time, without frame."""
    query, params = rows.query.sql_with_params()
    buffer = bytearray()
    first = True
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)", params) as copy,
    ):
        for data in copy:
            buffer += data
            if first:
                del buffer[:HEADER]
                first = False
            if len(buffer) >= CHUNK:
                yield bytes(buffer)
                buffer.clear()
    del buffer[len(buffer) - TRAILER :]
    yield bytes(buffer)
