"""The secrets of a tenant that no backup of the database holds: for tombstones and certificates.

They lie in a folder of their own, `PRIVACY_DIR`, beside the list of tombstones and the signed
certificates. So a stolen backup can neither sign a certificate nor try guesses against tombstones,
and a restored one finds there what it must forget again.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from tenants.tasks import current_schema

BYTES = 32


@dataclass(frozen=True, slots=True)
class Keyring:
    """Two keys of 32 bytes. `signing` is the seed of an Ed25519 key pair (RFC 8032)."""

    tombstones: bytes
    signing: bytes


_read: dict[tuple[str, int, int], Keyring] = {}


def privacy_folder() -> Path:
    """The current tenant's folder below PRIVACY_DIR, which only its owner may enter."""
    folder = Path(settings.PRIVACY_DIR) / current_schema()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def keyring() -> Keyring:
    """The current tenant's keys, made when they are first asked for; the same for every process
    that shares the folder."""
    path = privacy_folder() / "keys.json"
    try:
        seen = path.stat()
    except FileNotFoundError:
        _make(path)
        seen = path.stat()
    # Of the file that is there now: a tenant may be closed and opened again by the same name.
    place = (str(path), seen.st_ino, seen.st_mtime_ns)
    if place not in _read:
        stored = json.loads(path.read_text(encoding="utf-8"))
        _read[place] = Keyring(
            bytes.fromhex(stored["tombstones"]), bytes.fromhex(stored["signing"])
        )
    return _read[place]


def _make(path: Path) -> None:
    """Write new keys, whole or not at all; those of whoever was quicker stay."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    text = json.dumps({name: secrets.token_hex(BYTES) for name in ("tombstones", "signing")})
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    finally:
        new.unlink()
