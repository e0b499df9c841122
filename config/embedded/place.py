"""Where the servers' files live and which system account the servers run as."""

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.embedded.errors import EmbeddedServiceError
from config.embedded.state import write_private

PROJECT_ROOT = Path(__file__).resolve().parents[2]
ACCOUNT_FOR_ROOT = "nobody"
# The second is cleaned of files nobody touched for weeks, so it is the second.
_ELSEWHERE = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108


@dataclass(frozen=True, slots=True)
class Account:
    """A system account without rights, for servers that root starts. Postgres refuses root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one project's services, and the account they run as (None: our own).

    `services` holds what only we read (passwords, ports, the lock), `home` the servers' own
    files, which `account` must be able to reach; usually both are `var/services`.
    """

    services: Path
    log: Path
    home: Path
    account: Account | None


def services_folder(var: Path) -> Path:
    return var.resolve() / "services"


def find_place(var: Path) -> Place:
    """The place below `var` as it is. Makes nothing."""
    services = services_folder(var)
    return Place(
        services=services,
        log=var.resolve() / "log",
        home=_remembered_home(services) or services,
        account=_server_account(),
    )


def open_place(var: Path) -> Place:
    """The place below `var`, its folders made. Call it with the lock held."""
    place = find_place(var)
    place.services.mkdir(parents=True, exist_ok=True)
    if place.home != place.services:
        write_private(place.home / "belongs-to", str(place.services))
        return place
    if place.account is None or _can_enter(place.services, place.account):
        return place
    if (place.services / "postgres").exists():
        raise EmbeddedServiceError(
            f"The data is in {place.services}, where the account {ACCOUNT_FOR_ROOT!r} of the"
            " servers cannot go. Let it walk through the folders above (chmod o+x), or forget the"
            " data with `reset`."
        )
    return Place(place.services, place.log, _make_home(place.services), place.account)


def run_as(account: Account | None, argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a short command as the account, in the environment the servers get."""
    return subprocess.run(
        argv,
        text=True,
        capture_output=True,
        check=False,
        cwd="/",
        env=server_environment(),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def server_environment() -> dict[str, str]:
    """Nothing of ours: PGDATA, PGPORT and the like would change what the servers do."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def make_data_folder(folder: Path, account: Account | None) -> None:
    folder.mkdir(mode=0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def check_data_folder(folder: Path, account: Account | None) -> None:
    """Refuse a folder that was made when another account started the services."""
    owner = folder.stat().st_uid
    if owner != (account.uid if account else os.geteuid()):
        raise EmbeddedServiceError(
            f"{folder} belongs to the account with uid {owner}: start the services with the"
            " account that started them first, or forget the data with `reset`."
        )


def forget_place(place: Place) -> None:
    """Delete data, passwords and ports, and the home if it is elsewhere."""
    if place.home != place.services:
        shutil.rmtree(place.home)
    shutil.rmtree(place.services)


def _server_account() -> Account | None:
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT_FOR_ROOT)
    except KeyError:
        raise EmbeddedServiceError(
            f"Postgres refuses to run as root and there is no account {ACCOUNT_FOR_ROOT!r} to run"
            " it as. Use another account, or set DATABASE_URL and REDIS_URL."
        ) from None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _can_enter(folder: Path, account: Account) -> bool:
    """Whether the account may walk into the folder, asked of the kernel."""
    return run_as(account, ["test", "-x", str(folder)]).returncode == 0


def _remembered_home(services: Path) -> Path | None:
    """The home elsewhere that `services/home` names, if it is still ours.

    The home names its owner in turn: a project that was moved keeps its home, a copy of a
    project, whose reminder was copied along, has none.
    """
    home = _home_named_in(services)
    if home is None:
        return None
    try:
        owner = Path((home / "belongs-to").read_text())
    except OSError:
        return None
    moved = owner != services and _home_named_in(owner) != home
    return home if moved or owner == services else None


def _home_named_in(services: Path) -> Path | None:
    try:
        return Path((services / "home").read_text())
    except OSError:
        return None


def _make_home(services: Path) -> Path:
    base = next((folder for folder in _ELSEWHERE if os.access(folder, os.W_OK | os.X_OK)), None)
    if base is None:
        raise EmbeddedServiceError(
            f"The account {ACCOUNT_FOR_ROOT!r} cannot enter {services}, and neither"
            f" {' nor '.join(map(str, _ELSEWHERE))} can be written to. Set ATTUNE_VAR to a folder"
            " every account may enter."
        )
    digest = hashlib.sha256(os.fsencode(services)).hexdigest()[:12]
    home = base / f"attune-{digest}-{secrets.token_hex(4)}"
    home.mkdir()
    home.chmod(0o711)  # whatever the umask: the account walks in and opens what it knows by name
    write_private(home / "belongs-to", str(services))
    write_private(services / "home", str(home))
    return home
