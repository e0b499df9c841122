"""The embedded services after a crash, a race, a move, a copy or a loss."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from config.embedded import launcher
from config.embedded.errors import EmbeddedServiceError
from config.embedded.identity import find_mark, is_alive
from config.embedded.place import find_place
from config.embedded.state import find_state, save_state
from tests.config.embedded_servers import (
    COMMAND,
    eventually,
    pid_of,
    pids,
    remember,
    remembered,
    start,
    status_of,
)


def test_starts_at_the_same_moment_give_one_server(var: Path) -> None:
    commands = [
        subprocess.Popen([*COMMAND, "start", "--var", str(var)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told = {command.communicate(timeout=60)[0] for command in commands}

    assert [command.returncode for command in commands] == [0, 0, 0]
    assert len(told) == 1, "each start names the same ports and pids"
    for status in launcher.status(var):
        assert status.running
        served = os.fsencode(status.data)
        servers = {pid: parent for pid, parent, said in processes() if served in said}
        # What a server has just forked still goes by its command line.
        assert [pid for pid, parent in servers.items() if parent not in servers] == [status.pid]


def processes() -> Iterator[tuple[int, int, list[bytes]]]:
    """The id of every process, its parent's, and its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # proc_pid_stat(5): the name, the second field, may hold spaces and parentheses.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                yield int(entry.name), parent, (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue


def test_servers_killed_hard_start_again_with_their_data(shared_var: Path) -> None:
    before = start(shared_var)

    # A backend in the middle of a query outlives its server and holds on to the data.
    connection = psycopg.connect(before.database_url)
    backend = find_mark(connection.info.backend_pid)
    connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000)")
    time.sleep(1.1)  # Valkey's log reaches the disk once a second
    for name in ("postgres", "valkey"):
        os.kill(pid_of(name, shared_var), signal.SIGKILL)
    assert eventually(lambda: not any(status.running for status in launcher.status(shared_var)))
    assert backend is not None
    assert is_alive(backend)

    assert start(shared_var) == before

    assert not is_alive(backend)
    connection.close()
    assert remembered(shared_var) == ("kept", "kept")


def test_a_first_start_that_was_killed_is_finished_by_the_next(var: Path) -> None:
    for seconds in (0.2, 0.6, 1.0, 1.4):
        command = subprocess.Popen(
            [*COMMAND, "start", "--var", str(var)], stdout=subprocess.DEVNULL
        )
        time.sleep(seconds)
        command.kill()
        command.wait()

    start(var)
    remember(var, "whole")

    assert remembered(var) == ("whole", "whole")


def test_a_pid_that_went_to_another_process_is_not_taken_for_the_server(shared_var: Path) -> None:
    before = start(shared_var)
    place = find_place(shared_var)
    postgres = pid_of("postgres", shared_var)
    os.kill(postgres, signal.SIGKILL)
    assert eventually(lambda: find_mark(postgres) is None)

    stranger = subprocess.Popen(
        ["/bin/sleep", "600"], user=place.account.uid if place.account else None, cwd="/"
    )
    try:
        path = shared_var / "services/postgres.json"
        state = find_state(path)
        assert state is not None
        save_state(path, replace(state, process=find_mark(stranger.pid)))
        # Postgres itself refuses to start while the pid in this file is alive.
        pid_file = place.home / "postgres/postmaster.pid"
        rest = pid_file.read_text().partition("\n")[2]
        pid_file.write_text(f"{stranger.pid}\n{rest}")

        assert not status_of("postgres", shared_var).running
        assert start(shared_var) == before
        assert remembered(shared_var) == ("kept", "kept")
        assert stranger.poll() is None, "the stranger was left alone"
        launcher.stop(shared_var)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_damaged_state_file_costs_a_password_and_no_data(shared_var: Path) -> None:
    for damage in ("", '{"port": 1}'):
        before = start(shared_var)
        for name in ("postgres", "valkey"):
            (shared_var / f"services/{name}.json").write_text(damage)
        assert launcher.addresses(shared_var) is None

        after = start(shared_var)

        assert remembered(shared_var) == ("kept", "kept")
        assert after != before
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(before.database_url, connect_timeout=2)


def test_a_lost_superuser_password_is_told_with_the_way_out(var: Path) -> None:
    start(var)
    launcher.stop(var)
    password = var / "services/postgres-superuser-password"
    password.rename(var / "lost")

    with pytest.raises(EmbeddedServiceError, match="`reset`"):
        start(var)
    assert not status_of("postgres", var).running, "a server that is not complete does not stay"

    (var / "lost").rename(password)
    start(var)
    assert status_of("postgres", var).running


def test_a_port_taken_meanwhile_is_replaced(shared_var: Path) -> None:
    start(shared_var)
    ports = {status.name: status.port for status in launcher.status(shared_var)}
    launcher.stop(shared_var)

    with socket.socket() as first, socket.socket() as second:
        for listener, port in zip((first, second), ports.values(), strict=True):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port or 0))
            listener.listen()
        start(shared_var)
        taken = {status.port for status in launcher.status(shared_var)} & set(ports.values())

    assert not taken
    assert remembered(shared_var) == ("kept", "kept")


def test_a_project_that_was_moved_keeps_its_running_servers(shared_var: Path) -> None:
    running = pids(shared_var)

    moved = shared_var.rename(shared_var.with_name("moved"))
    try:
        assert pids(moved) == running
        start(moved)
        assert pids(moved) == running
        assert remembered(moved) == ("kept", "kept")
        assert set(launcher.stop(moved)) == {"postgres", "valkey"}
    finally:
        moved.rename(shared_var)

    start(shared_var)
    assert remembered(shared_var) == ("kept", "kept")


def test_a_copy_of_a_project_gets_servers_of_its_own(shared_var: Path) -> None:
    launcher.stop(shared_var)
    start(shared_var)
    # All of it is on the disk now; the copy looks like what a crash leaves behind.
    copy = shared_var.with_name("copy")
    subprocess.run(["/bin/cp", "-a", shared_var, copy], check=True)

    assert not any(status.running for status in launcher.status(copy))
    assert launcher.stop(copy) == ()
    start(copy)

    assert set(pids(copy).values()).isdisjoint(pids(shared_var).values())
    launcher.reset(copy)
    assert all(status.running for status in launcher.status(shared_var))
    assert remembered(shared_var) == ("kept", "kept")


def test_servers_whose_folder_was_deleted_make_way_for_new_ones(var: Path) -> None:
    before = start(var)
    old = pids(var)
    shutil.rmtree(var)

    after = start(var)

    assert not any(find_mark(pid or 0) for pid in old.values())
    assert after != before
    remember(var, "new")
    assert remembered(var) == ("new", "new")


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="takes a right from root"
)
def test_root_without_the_right_to_inspect_finds_its_servers_again(shared_var: Path) -> None:
    def run(action: str, var: Path) -> int:
        command = ["setpriv", "--bounding-set=-sys_ptrace", *COMMAND, action, "--var", str(var)]
        return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode

    running = pids(shared_var)
    assert run("status", shared_var) == 0
    moved = shared_var.rename(shared_var.with_name("moved"))
    try:
        assert run("start", moved) == 0
        assert pids(moved) == running
    finally:
        moved.rename(shared_var)

    assert run("stop", shared_var) == 0
    assert not any(find_mark(pid or 0) for pid in running.values())


def test_servers_die_with_the_parent_that_asked_for_it(shared_var: Path) -> None:
    launcher.stop(shared_var)
    program = (
        "import sys, time; from pathlib import Path; from config.embedded.launcher import start;"
        "start(Path(sys.argv[1]), die_with_parent=True); print('up', flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(shared_var)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "up\n"
    marks = [find_mark(pid or 0) for pid in pids(shared_var).values()]
    assert None not in marks

    parent.kill()
    parent.communicate()

    assert eventually(lambda: not any(mark and is_alive(mark) for mark in marks))
