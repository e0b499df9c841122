"""Background processes: real children, recorded in a folder of their own."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from config.embedded import processes
from config.embedded.errors import EmbeddedServiceError
from config.embedded.identity import find_mark, is_alive
from config.embedded.processes import (
    ProcessSpec,
    process_statuses,
    start_processes,
    stop_processes,
)
from tests.config.embedded_servers import eventually

PARENT = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.environ.get("GREETING"), child.pid, flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(600)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    stop_processes(tmp_path, grace=0)


def python(name: str, program: str, **env: str) -> ProcessSpec:
    return ProcessSpec(name=name, argv=(sys.executable, "-c", program), env=env)


def logged(var: Path, name: str) -> list[str]:
    log = var / "log" / f"{name}.log"
    assert eventually(lambda: bool(log.read_text()))
    return log.read_text().split()


def test_a_process_gets_its_environment_and_a_log(var: Path) -> None:
    (web,) = start_processes([python("web", PARENT, GREETING="hello")], var)

    assert logged(var, "web")[0] == "hello"
    assert web.pid is not None
    assert process_statuses(var) == (web,)


def test_a_second_start_changes_nothing_but_a_changed_process(var: Path) -> None:
    specs = [python("web", PARENT), python("worker", PARENT)]
    first = start_processes(specs, var)
    assert start_processes(specs, var) == first

    changed = start_processes([python("web", PARENT, GREETING="again"), specs[1]], var)

    assert changed[0].pid != first[0].pid
    assert changed[1].pid == first[1].pid
    assert find_mark(first[0].pid or 0) is None


def test_a_process_that_died_is_started_again(var: Path) -> None:
    spec = python("worker", PARENT)
    (first,) = start_processes([spec], var)
    os.kill(first.pid or 0, signal.SIGKILL)
    assert eventually(lambda: process_statuses(var)[0].pid is None)

    (second,) = start_processes([spec], var)

    assert second.pid not in {None, first.pid}


def test_stopping_takes_the_children_along(var: Path) -> None:
    start_processes([python("web", PARENT), python("worker", PARENT)], var)
    children = [find_mark(int(logged(var, name)[1])) for name in ("web", "worker")]
    assert None not in children

    assert stop_processes(var) == ("web", "worker")

    assert not any(child and is_alive(child) for child in children)
    assert process_statuses(var) == ()
    assert stop_processes(var) == ()


def test_children_of_a_process_that_was_killed_are_stopped_too(var: Path) -> None:
    spec = python("worker", PARENT)
    (worker,) = start_processes([spec], var)
    child = find_mark(int(logged(var, "worker")[1]))
    os.kill(worker.pid or 0, signal.SIGKILL)
    assert child is not None
    assert eventually(lambda: process_statuses(var)[0].pid is None)
    assert is_alive(child)

    start_processes([spec], var)

    assert not is_alive(child)


def test_a_process_that_does_not_listen_is_killed_after_the_grace(var: Path) -> None:
    (deaf,) = start_processes([python("deaf", DEAF)], var)
    assert logged(var, "deaf") == ["deaf"]

    before = time.monotonic()
    assert stop_processes(var, grace=0.5) == ("deaf",)

    assert 0.5 <= time.monotonic() - before < 5
    assert find_mark(deaf.pid or 0) is None


def test_a_process_that_ends_at_once_is_told_with_its_log(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SETTLE_SECONDS", 30)  # a busy machine starts Python slowly
    broken = python("beat", "raise SystemExit('no such option')")
    with pytest.raises(EmbeddedServiceError, match=r"(?s)beat ended at once.*no such option"):
        start_processes([python("web", PARENT), broken], var)
    # One that ends before it could be recorded has no status at all.
    running = {status.name for status in process_statuses(var) if status.pid is not None}
    assert running == {"web"}

    missing = ProcessSpec(name="worker", argv=("/nowhere/celery",))
    with pytest.raises(EmbeddedServiceError, match="worker cannot be started"):
        start_processes([missing], var)


def test_a_stranger_with_a_recorded_pid_is_left_alone(var: Path) -> None:
    (web,) = start_processes([python("web", PARENT)], var)
    stop_processes(var)
    (stranger,) = start_processes([python("stranger", PARENT)], var)
    assert web.pid is not None
    mark = find_mark(stranger.pid or 0)
    assert mark is not None
    # As after many other processes: the same pid, but started at another time.
    reused = {**asdict(mark), "started": mark.started - 1}
    record = var / "run" / "web.json"
    record.write_text(json.dumps({"process": reused, "fingerprint": ""}))

    assert process_statuses(var)[-1].pid is None
    (again,) = start_processes([python("web", PARENT)], var)

    assert again.pid != stranger.pid
    assert is_alive(mark)
