"""What is remembered about a server between two commands, and the lock around changing it."""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from config.embedded.errors import EmbeddedServiceError
from config.embedded.identity import ProcessMark

LOCK_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ServerState:
    """Where a server listens, how to get in, and which process it was last."""

    port: int
    password: str
    process: ProcessMark | None


def new_password() -> str:
    """256 random bits in characters that need no escaping in a URL, in SQL or on a line."""
    return secrets.token_hex(32)


def find_state(path: Path) -> ServerState | None:
    """The state kept at `path`; None if there is none or the file is damaged."""
    try:
        stored = json.loads(path.read_text())
        process = stored["process"]
        return ServerState(
            port=int(stored["port"]),
            password=str(stored["password"]),
            process=process and ProcessMark(**process),
        )
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise _other_account(path) from error
    except (ValueError, KeyError, TypeError):
        return None


def save_state(path: Path, state: ServerState) -> None:
    write_private(path, json.dumps(asdict(state)))


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read; a reader sees the old text or the new, never half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time in. The kernel frees the lock of a process that was killed."""
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while (file := _try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise EmbeddedServiceError(
                f"Another command has held {path} for {LOCK_TIMEOUT_SECONDS:.0f} s."
            )
        time.sleep(0.02)
    with file:
        yield


def _try_lock(path: Path) -> TextIO | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except PermissionError as error:
        raise _other_account(path) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A reset deletes the file under its lock; who waited for it holds nothing then.
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


def _other_account(path: Path) -> EmbeddedServiceError:
    return EmbeddedServiceError(
        f"{path} belongs to another account: use the one that started the services first."
    )
