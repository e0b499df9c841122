"""Where a tenant's index lies, who writes it, and how the others notice.

    SEARCH_INDEX_DIR/<schema>/current          the name of the generation that serves
    SEARCH_INDEX_DIR/<schema>/<generation>/    an index, and state.json beside it

A generation is built aside and only then named in `current`, so a reader never meets half of one.
Writers take turns by a lock of the operating system, which a crash releases. Readers map the files
into memory, and look at two time stamps a search to notice a commit, whichever process made it.
"""

import fcntl
import json
import logging
import os
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final

from django.conf import settings
from tantivy import Index, IndexWriter, Query, Searcher

from catalog.search.schema import FORMAT, NO_GROUP, register, schema
from tenants.connection import connection, tenant_id

logger = logging.getLogger(__name__)

WRITER_BYTES: Final = 64_000_000
REBUILD_AFTER: Final = timedelta(minutes=10)
MOST_OPEN: Final = 200
"""Indexes that one process keeps open; the one not used for longest is closed."""

MOST_COUNTS: Final = 5_000


class IndexUnavailable(Exception):
    """There is no index, or it cannot be read; the tables have to do."""


class IndexBusy(Exception):
    """Another process writes this index just now."""


@dataclass(frozen=True, slots=True)
class State:
    """What a generation holds: written after each commit, so a crash only repeats work."""

    format: int
    tenant: int
    """The tenant's id: a name of a schema may be used again, an id never is."""
    until: datetime
    """Everything that was changed in the database before this moment is in the index."""


@dataclass(frozen=True, slots=True)
class OpenIndex:
    """One commit of a tenant's index, ready to be searched."""

    index: Index
    searcher: Searcher
    languages: tuple[str, ...]
    """Of the items in it."""
    grouped: bool = False
    """Whether any of the items is one of several variants."""
    counts: dict[Hashable, int] = field(default_factory=dict, compare=False)
    """How many items a condition leaves, kept as long as this commit serves: `counted`."""

    def counted(self, condition: Hashable, query: Query) -> int:
        """How many items match the query that the condition comes to."""
        if condition not in self.counts:
            if len(self.counts) >= MOST_COUNTS:
                self.counts.clear()
            found: int = self.searcher.search(query, 1).count  # type: ignore[attr-defined]  # missing in the stubs
            self.counts[condition] = found
        return self.counts[condition]

    @property
    def items(self) -> int:
        return self.searcher.num_docs


@dataclass(slots=True)
class _Held:
    stamps: tuple[tuple[int, int, int], tuple[int, int, int]]
    open: OpenIndex


_held: OrderedDict[str, _Held] = OrderedDict()
_lock = threading.Lock()


def folder(schema_name: str) -> Path:
    return Path(settings.SEARCH_INDEX_DIR) / schema_name


@contextmanager
def reading_errors() -> Iterator[None]:
    """Whatever the engine says of files that are gone or broken becomes IndexUnavailable."""
    try:
        yield
    except (ValueError, OSError, KeyError) as error:
        raise IndexUnavailable(str(error)) from error
    except BaseException as error:
        # A panic of the engine is no Exception of Python's.
        if type(error).__name__ != "PanicException":
            raise
        raise IndexUnavailable(f"The engine gave up: {error}") from error


def open_index() -> OpenIndex:
    """The current tenant's index as of its last commit. Raises IndexUnavailable."""
    place = folder(connection.schema_name)
    while True:
        served = _current_or_none(place)
        try:
            return _open(place)
        except IndexUnavailable:
            # Another generation may have taken over meanwhile, and this one's files may be gone.
            if _current_or_none(place) == served:
                raise


def _open(place: Path) -> OpenIndex:
    schema_name = place.name
    with reading_errors():
        generation = place / _current(place)
        stamps = stamp_of(place / "current"), stamp_of(generation / "meta.json")
        with _lock:
            held = _held.get(schema_name)
            if held is not None and held.stamps == stamps:
                _held.move_to_end(schema_name)
                return held.open
        state = read_state(generation)
        if state is None or state.format != FORMAT:
            raise IndexUnavailable("The index is of another format.")
        if tenant_id() not in (None, state.tenant):
            raise IndexUnavailable("The index is of an earlier tenant of this name.")
        if held is not None and held.stamps[0] == stamps[0]:
            index = held.open.index
            index.reload()
        else:
            index = Index.open(str(generation))
            register(index)
            index.config_reader("manual")
        searcher = index.searcher()
        opened = OpenIndex(index, searcher, _languages(searcher), _grouped(index, searcher))
    with _lock:
        _held[schema_name] = _Held(stamps, opened)
        while len(_held) > MOST_OPEN:
            _held.popitem(last=False)
    return opened


def _grouped(index: Index, searcher: Searcher) -> bool:
    single = Query.term_query(index.schema, "group", NO_GROUP, "basic")
    counted: int = searcher.search(single, 1).count  # type: ignore[attr-defined]  # missing in the stubs
    return counted < searcher.num_docs


def forget(schema_name: str) -> None:
    """Close what this process holds open of a tenant."""
    with _lock:
        _held.pop(schema_name, None)


@dataclass(slots=True)
class Writing:
    """One generation, locked for this process."""

    place: Path
    path: Path
    index: Index
    writer: IndexWriter
    fresh: bool
    """Whether it is new and empty, and serves nobody yet."""
    state: State | None

    def commit(self, state: State) -> None:
        """Make what was written durable and visible; then note up to when it is complete."""
        self.writer.commit()
        self.note(state)
        if self.fresh:
            replace_file(self.place / "current", self.path.name)
            self.fresh = False

    def note(self, state: State) -> None:
        """Note up to when the index is complete, where nothing had to be written."""
        replace_file(self.path / "state.json", _as_json(state))
        self.state = state


@contextmanager
def writing(tenant: int, *, anew: bool = False) -> Iterator[Writing]:
    """The current tenant's index to write to: the one that serves, or a new one if there is none,
    it is broken, or `anew`. Raises IndexBusy. What is not committed is forgotten."""
    place = folder(connection.schema_name)
    with writing_turn(place, "lock"):
        held = None if anew else _serving(place, tenant)
        fresh = held is None
        path, state = held or (place / secrets.token_hex(8), None)
        if fresh:
            path.mkdir()
        try:
            index = Index(schema(), path=str(path), reuse=not fresh)
            register(index)
            writer = index.writer(WRITER_BYTES, num_threads=1)
            made = Writing(place, path, index, writer, fresh, state)
            yield made
            writer.wait_merging_threads()
        finally:
            if fresh and _current_or_none(place) != path.name:
                shutil.rmtree(path, ignore_errors=True)
            _sweep(place)


@contextmanager
def writing_turn(place: Path, name: str) -> Iterator[None]:
    """One process at a time writes in this folder, by a lock of this name, which a crash releases.

    Raises IndexBusy.
    """
    place.mkdir(parents=True, exist_ok=True)
    with (place / name).open("w") as lock:
        _take(lock)
        yield


def ask_for_rebuild() -> None:
    """Let the next update build the current tenant's index anew; what found it broken calls it.

    Not where it has just been built: what is wrong then is not mended by building it again.
    """
    place = folder(connection.schema_name)
    try:
        built = (place / "current").stat().st_mtime
    except OSError:
        return
    if time.time() - built > REBUILD_AFTER.total_seconds():
        (place / "broken").touch()


def read_state(generation: Path) -> State | None:
    try:
        raw = json.loads((generation / "state.json").read_text(encoding="utf-8"))
        until = datetime.fromisoformat(raw["until"])
        return State(format=int(raw["format"]), tenant=int(raw["tenant"]), until=until)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _serving(place: Path, tenant: int) -> tuple[Path, State] | None:
    """The generation that serves, if it can be written to."""
    marked = place / "broken"
    if marked.exists():
        marked.unlink()
        return None
    name = _current_or_none(place)
    if name is None:
        return None
    path = place / name
    state = read_state(path)
    if state is None or (state.format, state.tenant) != (FORMAT, tenant):
        return None
    try:
        with reading_errors():
            index = Index.open(str(path))
            register(index)
            index.searcher().search(Query.all_query(), 1)
    except IndexUnavailable:
        logger.warning("The search index cannot be read, and is built anew", exc_info=True)
        return None
    return path, state


def _sweep(place: Path) -> None:
    """Remove generations that serve nobody. Who still reads one keeps its files until it closes."""
    name = _current_or_none(place)
    for path in place.iterdir():
        if path.is_dir() and path.name != name:
            shutil.rmtree(path, ignore_errors=True)


def _take(lock: IO[str]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise IndexBusy("Another process writes this index.") from error


def _current(place: Path) -> str:
    name = (place / "current").read_text(encoding="ascii").strip()
    if not name.isalnum():
        raise ValueError(f"{name!r} is no generation.")
    return name


def _current_or_none(place: Path) -> str | None:
    try:
        return _current(place)
    except (OSError, ValueError):
        return None


def stamp_of(path: Path) -> tuple[int, int, int]:
    """Changes whenever the file is replaced. Raises OSError where there is none."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _languages(searcher: Searcher) -> tuple[str, ...]:
    """The most frequent first."""
    counted = searcher.aggregate(
        Query.all_query(), {"languages": {"terms": {"field": "language", "size": 50}}}
    )
    return tuple(bucket["key"] for bucket in counted["languages"]["buckets"])


def _as_json(state: State) -> str:
    return json.dumps(
        {"format": state.format, "tenant": state.tenant, "until": state.until.isoformat()}
    )


def replace_file(path: Path, text: str) -> None:
    """Replace a file of text as a whole, and see it on the disk."""
    aside = path.with_name(f"{path.name}.new")
    with aside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)
