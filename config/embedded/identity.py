"""Which operating-system process is meant: a pid alone is reused, also by strangers.

Everything is read from Linux's /proc (proc(5)).
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """One process, and never another one that got its pid later.

    `started` is in clock ticks since boot: unlike a time of day it does not move when the clock
    is set. `boot` tells apart two processes of equal pid and start of different boots.
    """

    pid: int
    started: int
    boot: str


def find_mark(pid: int) -> ProcessMark | None:
    """The mark of the process that has `pid` now; None if there is none or only its zombie."""
    fields = _stat_fields(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return ProcessMark(pid=pid, started=int(fields[19]), boot=_boot())


def is_alive(mark: ProcessMark) -> bool:
    return find_mark(mark.pid) == mark


def pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def program_name(pid: int) -> str:
    """The name of the program (at most 15 characters), empty if the process is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text().rstrip("\n")
    except OSError:
        return ""


def group_members(leader: ProcessMark) -> list[ProcessMark]:
    """Who is alive in the process group that `leader` founded, also after its own end.

    A pid is not given out again while it names a group. So if another process has the leader's
    pid now, the group is gone and what goes by its number is a stranger's.
    """
    holder = find_mark(leader.pid)
    if leader.boot != _boot() or (holder is not None and holder != leader):
        return []
    return [mark for pid in pids() if _group(pid) == leader.pid and (mark := find_mark(pid))]


def working_directory(pid: int) -> Path | None:
    """Where the process works, under its name of now; None if that cannot be told.

    Root without CAP_SYS_PTRACE, as in most containers, may not look at the processes of other
    accounts. Those accounts may, so they are asked (3 ms).
    """
    process = PROC / str(pid)
    link = process / "cwd"
    try:
        return link.readlink()
    except PermissionError:
        if os.geteuid() != 0:
            return None
    except OSError:
        return None
    try:
        owner = process.stat()
    except OSError:
        return None
    told = subprocess.run(
        ["readlink", link],  # noqa: S607  # of the system, wherever it keeps it
        user=owner.st_uid,
        group=owner.st_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    return Path(told.stdout.removesuffix("\n")) if told.returncode == 0 else None


def serves(pid: int, folder: Path) -> bool:
    """Whether the process works on the data in `folder`.

    The working directory decides: so a moved folder is still served by its server, and a copied
    one is not served by the server of the original. Of a server whose folder was deleted under
    it, only the command line tells.
    """
    directory = working_directory(pid)
    if directory is None or directory.name.endswith(" (deleted)"):
        return os.fsencode(folder) in _command_line(pid)
    try:
        return directory.samefile(folder)
    except OSError:
        return False


def send_signal(mark: ProcessMark, how: signal.Signals) -> None:
    """Signal this process; nothing happens if it is gone."""
    if is_alive(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(mark.pid, how)


def end_processes(marks: Iterable[ProcessMark], how: signal.Signals, grace: float) -> None:
    """Send `how`, wait up to `grace` seconds, and kill what is left. Returns when all are gone."""
    remaining = list(marks)
    for mark in remaining:
        send_signal(mark, how)
    deadline = time.monotonic() + grace
    killed = False
    while remaining := [mark for mark in remaining if is_alive(mark)]:
        if not killed and time.monotonic() > deadline:
            for mark in remaining:
                send_signal(mark, signal.SIGKILL)
            killed = True
        time.sleep(POLL_SECONDS)


def _stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (the state) on."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    # The second field is the program's name in parentheses and may itself contain both.
    return text.rpartition(")")[2].split()


def _command_line(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _group(pid: int) -> int | None:
    fields = _stat_fields(pid)
    return int(fields[2]) if fields else None


def _boot() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # sandboxes with a /proc of their own making
        return ""
