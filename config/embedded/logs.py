"""The log files of background processes: one each, and the one before it when it grew large."""

import contextlib
import os
from pathlib import Path

LIMIT_BYTES = 10_000_000


def open_log(log: Path) -> None:
    """Make the file to append to; if it has grown large, put it aside first."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LIMIT_BYTES:
            log.replace(_put_aside(log))
    log.touch(mode=0o600)


def end_of_log(log: Path, size: int = 2_000) -> str:
    """The last `size` bytes: what an error message quotes."""
    with log.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - size))
        return file.read().decode(errors="replace").strip()


def delete_log(log: Path) -> None:
    for path in (log, _put_aside(log)):
        path.unlink(missing_ok=True)


def _put_aside(log: Path) -> Path:
    return log.with_suffix(".log.1")
