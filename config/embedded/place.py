"""Where the servers' files live and which system account the servers run as."""

import hashlib
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.embedded.errors import EmbeddedServiceError
from config.embedded.state import write_private

ACCOUNT_FOR_ROOT = "nobody"
# Not /tmp or /var/tmp alone: those are cleaned of files that were not touched for a while.
_ELSEWHERE = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108


@dataclass(frozen=True, slots=True)
class Account:
    """A system account without rights, for servers that root starts. Postgres refuses root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one project's services.

    `services` holds what only we read (passwords, ports, the lock), `home` the servers' own
    files, which `account` must be able to reach; usually both are `var/services`.
    """

    services: Path
    log: Path
    home: Path
    account: Account | None


def services_folder(var: Path) -> Path:
    return var.absolute() / "services"


def open_place(var: Path) -> Place:
    """The place below `var`, its folders made. Call it with the lock held."""
    services, log = services_folder(var), var.absolute() / "log"
    services.mkdir(parents=True, exist_ok=True)
    log.mkdir(parents=True, exist_ok=True)
    account = server_account()
    home = services if account is None or can_enter(services, account) else _elsewhere(services)
    return Place(services=services, log=log, home=home, account=account)


def server_account() -> Account | None:
    """The account servers run as; None means our own."""
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


def can_enter(folder: Path, account: Account) -> bool:
    """Whether the account may walk into the folder, asked of the kernel."""
    probe = run_as(account, ["test", "-x", str(folder)])
    return probe.returncode == 0


def run_as(
    account: Account | None, argv: list[str], stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a short command as the account, in the environment the servers get."""
    return subprocess.run(
        argv,
        input=stdin,
        text=True,
        capture_output=True,
        check=False,
        cwd="/",
        env=server_environment(),
        user=account and account.uid,
        group=account and account.gid,
        extra_groups=account and [],
    )


def server_environment() -> dict[str, str]:
    """Nothing of ours: PGDATA, PGPORT and the like would change what the servers do."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def make_data_folder(folder: Path, account: Account | None) -> None:
    folder.mkdir(mode=0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def forget_place(place: Place) -> None:
    """Delete everything: data, passwords, and the home if it is elsewhere. Logs stay."""
    if place.home != place.services:
        shutil.rmtree(place.home, ignore_errors=True)
    shutil.rmtree(place.services, ignore_errors=True)


def _elsewhere(services: Path) -> Path:
    """The home of a project whose own folder the servers' account cannot enter.

    It is remembered in `services/home`, and remembers in turn whose it is: a project that was
    moved takes its home along, a copy of a project gets one of its own.
    """
    reminder = services / "home"
    try:
        remembered = Path(reminder.read_text())
        owner = Path((remembered / "belongs-to").read_text())
    except OSError:
        pass
    else:
        moved = owner != services and not _remembers(owner, remembered)
        if moved:
            write_private(remembered / "belongs-to", str(services))
        if moved or owner == services:
            return remembered
    base = next((folder for folder in _ELSEWHERE if os.access(folder, os.W_OK | os.X_OK)), None)
    if base is None:
        raise EmbeddedServiceError(
            f"The account {ACCOUNT_FOR_ROOT!r} cannot enter {services}, and neither"
            f" {' nor '.join(map(str, _ELSEWHERE))} can be written to. Set ATTUNE_VAR to a folder"
            " every account may enter."
        )
    digest = hashlib.sha256(os.fsencode(services)).hexdigest()[:12]
    home = base / f"attune-{digest}-{secrets.token_hex(4)}"
    home.mkdir(mode=0o711)
    home.chmod(stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH)  # whatever the umask
    write_private(home / "belongs-to", str(services))
    write_private(reminder, str(home))
    return home


def _remembers(services: Path, home: Path) -> bool:
    try:
        return Path((services / "home").read_text()) == home
    except OSError:
        return False
