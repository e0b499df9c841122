"""The application's own processes in the background: started once, found again, stopped whole."""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from config.embedded.errors import EmbeddedServiceError
from config.embedded.identity import (
    POLL_SECONDS,
    ProcessMark,
    end_processes,
    find_mark,
    group_members,
    is_alive,
    send_signal,
)
from config.embedded.logs import end_of_log, open_log
from config.embedded.place import PROJECT_ROOT
from config.embedded.state import locked, write_private

GRACE_SECONDS = 10.0
SETTLE_SECONDS = 0.5  # long enough for a wrong option or a missing program to show


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process to run in the project's folder; `env` is added to our own environment."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process that was started and not stopped; `pid` is None if it ended by itself."""

    name: str
    pid: int | None
    log: Path


@dataclass(frozen=True, slots=True)
class _Record:
    """What is kept of a process in `var/run`."""

    process: ProcessMark
    fingerprint: str


def start_processes(specs: Sequence[ProcessSpec], var: Path) -> tuple[ProcessStatus, ...]:
    """Start each process that does not run yet; one that runs by another spec is replaced.

    Raises EmbeddedServiceError with the end of its log if one ends within half a second; the
    others keep running.
    """
    with locked(var / "run" / "lock"):
        started = [spec for spec in specs if _ensure_started(spec, var)]
        deadline = time.monotonic() + SETTLE_SECONDS
        while started and time.monotonic() < deadline:
            for spec in started:
                record = _find_record(var, spec.name)
                if record is None or not is_alive(record.process):
                    raise EmbeddedServiceError(
                        f"{spec.name} ended at once. The end of {_log(var, spec.name)}:\n"
                        f"{end_of_log(_log(var, spec.name))}"
                    )
            time.sleep(POLL_SECONDS)
        return tuple(_status(var, spec.name) for spec in specs)


def process_statuses(var: Path) -> tuple[ProcessStatus, ...]:
    """Every process that was started and not stopped, by name."""
    return tuple(_status(var, name) for name in _names(var))


def stop_processes(var: Path, *, grace: float = GRACE_SECONDS) -> tuple[str, ...]:
    """Stop all of them together, children included; the names of those that ran.

    The first of a group gets SIGTERM and stops its children in its own order (a worker lets them
    finish a task); what is left of the group after `grace` seconds is killed.
    """
    if not (var / "run").exists():
        return ()
    with locked(var / "run" / "lock"):
        return _stop(var, _names(var), grace)


def _ensure_started(spec: ProcessSpec, var: Path) -> bool:
    fingerprint = hashlib.sha256(
        json.dumps([spec.argv, sorted(spec.env.items())]).encode()
    ).hexdigest()
    record = _find_record(var, spec.name)
    if record is not None and is_alive(record.process) and record.fingerprint == fingerprint:
        return False
    _stop(var, [spec.name], GRACE_SECONDS)
    log = _log(var, spec.name)
    open_log(log)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                spec.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=PROJECT_ROOT,
                env={**os.environ, **spec.env},
                start_new_session=True,
            )
        except OSError as error:
            raise EmbeddedServiceError(f"{spec.name} cannot be started: {error}") from error
    _children.append(child)
    mark = find_mark(child.pid)
    if mark is not None:
        record = _Record(mark, fingerprint)
        write_private(_record_path(var, spec.name), json.dumps(asdict(record)))
    return True


# Kept so that a process which ends while we live can be waited for.
_children: list[subprocess.Popen[bytes]] = []


def _stop(var: Path, names: Sequence[str], grace: float) -> tuple[str, ...]:
    records = {name: record for name in names if (record := _find_record(var, name))}
    members = {name: group_members(record.process) for name, record in records.items()}
    leaders = [record.process for record in records.values() if is_alive(record.process)]
    for leader in leaders:
        send_signal(leader, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(is_alive(leader) for leader in leaders) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    rest = [mark for record in records.values() for mark in group_members(record.process)]
    end_processes(rest, signal.SIGTERM, max(0.0, deadline - time.monotonic()))
    for child in _children:
        child.poll()
    for name in names:
        _record_path(var, name).unlink(missing_ok=True)
    return tuple(name for name in records if members[name])


def _find_record(var: Path, name: str) -> _Record | None:
    try:
        stored = json.loads(_record_path(var, name).read_text())
        return _Record(ProcessMark(**stored["process"]), stored["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _names(var: Path) -> list[str]:
    return sorted(path.stem for path in (var / "run").glob("[!.]*.json"))


def _status(var: Path, name: str) -> ProcessStatus:
    record = _find_record(var, name)
    running = record is not None and is_alive(record.process)
    return ProcessStatus(name, record.process.pid if record and running else None, _log(var, name))


def _record_path(var: Path, name: str) -> Path:
    return var / "run" / f"{name}.json"


def _log(var: Path, name: str) -> Path:
    return var / "log" / f"{name}.log"
