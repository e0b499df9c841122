"""The vectors of items in a file mapped into memory, for reading a hundred of them at a time.

    SEARCH_INDEX_DIR/<schema>/vectors.json         which file serves, and what it was made of
    SEARCH_INDEX_DIR/<schema>/vectors-<hex>.rows   a row for each item, by rising id

The tables have the last word: a row is used where the item is as it was when the row was written,
so a reader has to know when the item was changed, and what the file does not have is read from the
tables. It can be thrown away at any time, and be different on each machine.
"""

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django_tenants.utils import get_public_schema_name, schema_context

from catalog.embedding import embedder
from catalog.models import EMBEDDING_DIMENSIONS
from catalog.search.storage import folder, replace_file, stamp_of, writing_turn
from tenants.connection import array_of, connection, tenant_id
from tenants.models import Tenant
from tenants.tasks import current_schema

logger = logging.getLogger(__name__)

FORMAT: Final = 1
VECTOR_HEADER: Final = 4
"""Bytes before the numbers in what `halfvec_send` makes: how many there are, and a spare."""

ROW: Final = np.dtype(
    [
        ("item", "<i8"),
        ("changed", "<f8"),
        ("vector", f"V{VECTOR_HEADER + 2 * EMBEDDING_DIMENSIONS}"),
    ]
)
BATCH: Final = 5_000
WORTH: Final = 100
"""Whether a file is out of date is asked again after so many times as long as writing it took:
whatever the size of a catalog and however often it changes, it takes a hundredth of a core."""

MOST_OPEN: Final = 200
"""Files that one process keeps mapped; the one that was opened first is let go."""

CHANGED_AT: Final = "date_part('epoch', i.updated_at)"
"""When an item was changed, in seconds since 1970, UTC: as the rows have it, to the microsecond.
`extract` would go by way of a numeric."""

# A vector is as new as its item was when it was read (`embed_items`).
CURRENT: Final = """
    FROM catalog_itemembedding e JOIN catalog_item i ON i.id = e.item_id
    WHERE e.updated_at >= i.updated_at AND e.model_version = %s
"""
ROWS: Final = f"""
    SELECT i.id, {CHANGED_AT}, halfvec_send(e.vector) {CURRENT} AND i.id > %s
    ORDER BY i.id LIMIT %s
"""
SUMMARY: Final = f"SELECT count(*), coalesce(max({CHANGED_AT}), 0) {CURRENT}"
VECTORS: Final = """
    SELECT item_id, halfvec_send(vector) FROM catalog_itemembedding
    WHERE item_id = ANY(%s::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a file was made of, and how long that took, in seconds."""

    format: int
    tenant: int
    model: str
    file: str
    items: int
    changed: float
    seconds: float

    @classmethod
    def read(cls, place: Path) -> "Summary | None":
        """The one that serves in this folder; None without one, or one that cannot be read."""
        try:
            return cls(**json.loads((place / "vectors.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class VectorFile:
    """The rows of a file: ids and times in memory, vectors where the file is mapped."""

    model: str
    items: npt.NDArray[np.int64]
    changed: npt.NDArray[np.float64]
    vectors: npt.NDArray[np.void]

    def find(self, items: Sequence[int], changed: Sequence[float]) -> list[bytes | None]:
        """The vector of each item, as `halfvec_send` makes it; None where the file has none of the
        item as it was `changed` last."""
        if not len(self.items) or not items:
            return [None] * len(items)
        wanted = np.array(items, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.items, wanted), len(self.items) - 1)
        known = (self.items[at] == wanted) & (self.changed[at] == np.array(changed))
        found: list[bytes | None] = self.vectors[at].tolist()
        for place in np.flatnonzero(~known).tolist():
            found[place] = None
        return found


_open: dict[str, tuple[tuple[int, int, int], VectorFile | None]] = {}
_lock = threading.Lock()


def open_vectors() -> VectorFile | None:
    """The current tenant's file; None where there is none that can be read."""
    schema_name = connection.schema_name
    place = folder(schema_name)
    try:
        stamp = stamp_of(place / "vectors.json")
    except OSError:
        return None
    with _lock:
        held = _open.get(schema_name)
    if held is None or held[0] != stamp:
        held = stamp, _mapped(place)
        with _lock:
            _open[schema_name] = held
            while len(_open) > MOST_OPEN:
                del _open[next(iter(_open))]
    return held[1]


def _mapped(place: Path) -> VectorFile | None:
    summary = Summary.read(place)
    if summary is None or summary.format != FORMAT or tenant_id() not in (None, summary.tenant):
        return None
    try:
        rows = np.memmap(place / summary.file, dtype=ROW, mode="r", shape=(summary.items,))
    except (OSError, ValueError):
        # Just replaced by another, which the next request sees; empty; or cut short.
        return None
    return VectorFile(
        summary.model,
        np.ascontiguousarray(rows["item"]),
        np.ascontiguousarray(rows["changed"]),
        rows["vector"],
    )


def find_vectors(
    opened: VectorFile, items: Sequence[int], changed: Sequence[float]
) -> list[bytes | None]:
    """The vector of each item, as `halfvec_send` makes it; None for one that is not embedded.

    `changed` says when each was changed last, as CHANGED_AT does. One statement where the file does
    not have them all, none where it does.
    """
    found = opened.find(items, changed)
    lacking = {item: place for place, item in enumerate(items) if found[place] is None}
    if lacking:
        with connection.cursor() as cursor:
            cursor.execute(VECTORS, [array_of(lacking)])
            for item, vector in cursor.fetchall():
                found[lacking[item]] = bytes(vector)
    return found


def write_vectors(*, anew: bool = False) -> int | None:
    """Write the current tenant's file where items or the model changed; how many rows it has, or
    None where it stays as it is.

    Not more often than is worth it (WORTH), unless `anew`. Safe to be interrupted anywhere: a file
    serves once it is complete. Raises IndexBusy while another process writes, EmbedderUnavailable,
    and DatabaseError.
    """
    schema_name = current_schema()
    with schema_context(get_public_schema_name()):
        tenant = Tenant.objects.get(schema_name=schema_name)
    place = folder(schema_name)
    with writing_turn(place, "vectors.lock"):
        served, model = Summary.read(place), embedder().version
        if served is not None and not anew and not _is_due(place, served, tenant.pk, model):
            return None
        started = time.monotonic()
        path = place / f"vectors-{secrets.token_hex(8)}.rows"
        try:
            items, changed = _write_rows(path, model)
            made = Summary(
                FORMAT, tenant.pk, model, path.name, items, changed, time.monotonic() - started
            )
            replace_file(place / "vectors.json", json.dumps(asdict(made)))
        finally:
            _sweep(place)
    logger.info("Wrote the vectors of %d items", items)
    return items


def _is_due(place: Path, served: Summary, tenant: int, model: str) -> bool:
    try:
        rows = (place / served.file).stat()
    except OSError:
        return True
    whole = served.items * ROW.itemsize == rows.st_size
    if (served.format, served.tenant, whole) != (FORMAT, tenant, True):
        return True
    if time.time() - rows.st_mtime < WORTH * served.seconds:
        return False
    with connection.cursor() as cursor:
        cursor.execute(SUMMARY, [model])
        [(items, changed)] = cursor.fetchall()
    if (model, items, changed) != (served.model, served.items, served.changed):
        return True
    os.utime(place / served.file)  # not asked again so soon
    return False


def _write_rows(path: Path, model: str) -> tuple[int, float]:
    """Write all rows; how many, and when the item that changed last did."""
    written, last, latest = 0, 0, 0.0
    with path.open("wb") as stream, connection.cursor() as cursor:
        while True:
            cursor.execute(ROWS, [model, last, BATCH])
            batch: list[tuple[Any, ...]] = cursor.fetchall()
            if not batch:
                break
            rows = np.array([(item, at, bytes(vector)) for item, at, vector in batch], dtype=ROW)
            rows.tofile(stream)
            written, last = written + len(rows), int(rows["item"][-1])
            latest = max(latest, float(rows["changed"].max()))
        stream.flush()
        os.fsync(stream.fileno())
    return written, latest


def _sweep(place: Path) -> None:
    """Remove the files that do not serve. Who has one mapped keeps it until it lets go."""
    served = Summary.read(place)
    for path in place.glob("vectors-*.rows"):
        if served is None or path.name != served.file:
            path.unlink(missing_ok=True)
