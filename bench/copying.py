"""Filling tables fast: rows by COPY, fixed-width ones in binary, indexes built afterwards."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import models

from tenants.connection import connection

BINARY_START = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # the signature, no flags, no extension
BINARY_END = b"\xff\xff"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def copy_rows(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """COPY rows in. Columns that are not given get the model's defaults, which the database does
    not know."""
    given = {
        field.column: field.get_db_prep_save(field.get_default(), connection)
        for field in model._meta.concrete_fields  # noqa: SLF001  # Django's public model API
        if field.column not in columns and not field.primary_key and not field.null
    }
    constant = tuple(given.values())
    named = ", ".join([*columns, *given])
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {model._meta.db_table} ({named}) FROM STDIN") as copy,  # noqa: SLF001
    ):
        for row in rows:
            copy.write_row(row + constant)


def copy_binary(table: str, columns: Sequence[str], blocks: Iterable[npt.NDArray[Any]]) -> None:
    """COPY structured arrays in, as `fixed_width` lays them out: no Python object a row."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.write(BINARY_START)
        for block in blocks:
            copy.write(block.tobytes())
        copy.write(BINARY_END)


def fixed_width(**columns: Any) -> np.dtype[Any]:
    """The layout of a row of COPY's binary format, each column `_NAME` after its length `NAME_`."""
    layout: list[tuple[Any, ...]] = [("fields", ">i2")]
    for name, kind in columns.items():
        layout += [(f"{name}_", ">i4"), (name, kind)]
    return np.dtype(layout)


def rows_of(layout: np.dtype[Any], count: int) -> npt.NDArray[Any]:
    """Rows of such a layout with their lengths filled in."""
    rows = np.zeros(count, dtype=layout)
    names = [name for name in layout.names or () if name != "fields" and not name.endswith("_")]
    rows["fields"] = len(names)
    for name in names:
        rows[f"{name}_"] = layout[name].itemsize
    return rows


def microseconds(at: datetime) -> int:
    """A timestamptz as Postgres sends and receives it in binary."""
    return round((at - EPOCH).total_seconds() * 1_000_000)


@contextmanager
def indexes_afterwards(*tables: str, memory: str = "3GB") -> Iterator[None]:
    """Drop the tables' indexes that are no constraints, and build them again at the end."""
    with connection.as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i"
            " LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid"
            " WHERE i.indrelid = ANY(%s::regclass[]) AND c.oid IS NULL AND NOT i.indisunique",
            [list(tables)],
        )
        definitions = cursor.fetchall()
        for name, _ in definitions:
            cursor.execute(f"DROP INDEX {name}")
    yield
    with connection.as_owner(), connection.cursor() as cursor:
        cursor.execute(f"SET maintenance_work_mem = '{memory}'")
        cursor.execute("SET max_parallel_maintenance_workers = 2")
        for _, definition in definitions:
            cursor.execute(definition)
        cursor.execute("RESET maintenance_work_mem")
        cursor.execute("RESET max_parallel_maintenance_workers")
