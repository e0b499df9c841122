"""Do the tests of the walls between tenants notice when one has a hole: `make test-walls`.

Plants one leak after the other in a copy of the project and runs the tests that should notice.
First the same tests run on the project as it is, where all of them have to pass: a test that
fails anyway catches nothing. Beside them everything that tries to reach another tenant's data is
run once. `--leak NAME` plants that one only, `--probes` makes the attempts only; without PgBouncer
its leaks are left out.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.environment import ROOT, report

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis")
PATIENCE = 900
"""Seconds that one run of tests may take."""

ROLES = "tests/walls/test_database_roles.py"
KEYS = "tests/walls/test_keys.py"
TASKS = "tests/walls/test_tasks.py"
POOLER = "tests/walls/test_pooler.py"
MATRIX = "tests/walls/test_authorization.py"
PAGES = "tests/walls/test_roles.py"
LOGS = "tests/tenants/test_logs.py"

PROBES = (ROLES, MATRIX, "tests/walls/test_addresses.py")
"""What counts its attempts at another tenant's data."""


AT_ONCE = 2
UNWANTED = {"PYTHONDONTWRITEBYTECODE"}
BYTECODE = Path(tempfile.gettempdir()) / f"attune-bytecode-{os.getuid()}"
"""Where the runs share what Python compiled: of the libraries, which no leak is planted in."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One way to let somebody see what is another's: `before` becomes `after` in a file, once."""

    name: str
    path: str
    before: str
    after: str
    tests: tuple[str, ...]


LEAKS = (
    Leak(
        "every tenant acts as the owner of all tables",
        "tenants/database/base.py",
        "        if self._acting_as_owner:\n",
        "        if True:\n",
        (f"{ROLES}::test_without_the_search_path_every_table_of_another_tenant_still_refuses",),
    ),
    Leak(
        "the role switch is dropped, and who logged in inherits",
        "tenants/database/roles.py",
        "WITH SET TRUE, INHERIT FALSE",
        "WITH SET TRUE, INHERIT TRUE",
        (f"{ROLES}::test_who_logged_in_reaches_no_tenants_table",),
    ),
    Leak(
        "a tenant's role may truncate",
        "tenants/database/roles.py",
        "SELECT, INSERT, UPDATE, DELETE, MAINTAIN",
        "SELECT, INSERT, UPDATE, DELETE, MAINTAIN, TRUNCATE",
        (f"{ROLES}::test_a_tenants_role_changes_rows_and_no_tables",),
    ),
    Leak(
        "a connection goes back to the pool as it is",
        "tenants/database/base.py",
        "            self._leave(self.connection)\n",
        "            pass\n",
        (f"{ROLES}::test_a_connection_goes_back_to_the_pool_as_nobodys",),
    ),
    Leak(
        "a cursor stays where it was opened",
        "tenants/database/base.py",
        "            cursor.enter = self._handle_search_path\n",
        "            pass\n",
        (f"{ROLES}::test_a_cursor_goes_where_the_connection_went",),
    ),
    Leak(
        "a closed tenant's role stays",
        "tenants/database/roles.py",
        '        _run("DROP ROLE IF EXISTS {}", _role(schema))\n',
        "",
        (f"{ROLES}::test_a_tenants_role_comes_and_goes_with_it",),
    ),
    Leak(
        "a request leaves its schema behind",
        "tenants/middleware.py",
        "        finally:\n            connection.set_schema_to_public()\n",
        "        finally:\n",
        ("tests/walls/test_threads.py::test_threads_of_two_tenants_never_mix",),
    ),
    Leak(
        "a task forgets the schema",
        "tenants/tasks.py",
        "        with schema_context(schema), timezone",
        "        with timezone",
        (f"{TASKS}::test_a_tenants_feed_is_imported_into_that_tenant",),
    ),
    Leak(
        "a task runs for a schema of nobody",
        "tenants/tasks.py",
        '            raise ValueError(f"{schema!r} is no tenant\'s schema.")\n',
        "            return function(*args, **kwargs)\n",
        (f"{TASKS}::test_a_task_without_a_tenant_fails_before_it_does_anything",),
    ),
    Leak(
        "cache keys are shared",
        "config/settings.py",
        '        "KEY_FUNCTION": "django_tenants.cache.make_key",\n',
        "",
        ("tests/walls/test_cache.py::test_every_key_begins_with_its_schema_and_holds_nothing_of_another",),
    ),
    Leak(
        "what is settled is a global of the process",
        "tenants/settled.py",
        "    place = connection.schema_name, tenant_id(), name\n",
        '    place = "", None, name\n',
        ("tests/walls/test_cache.py::test_what_is_settled_is_the_tenants_own_also_while_no_generation_tells",),
    ),
    Leak(
        "the last slate is a global of the process",
        "recommendations/pipeline/last_resort.py",
        "    return connection.schema_name, tenant_id(), placement\n",
        '    return "every", None, placement\n',
        ("tests/walls/test_cache.py::test_what_a_process_remembers_is_the_tenants_own",),
    ),
    Leak(
        "files have no folder of their tenant's",
        "config/settings.py",
        "django_tenants.files.storage.TenantFileSystemStorage",
        "django.core.files.storage.FileSystemStorage",
        ("tests/walls/test_files.py",),
    ),
    Leak(
        "any key does anything",
        "tenants/authentication.py",
        "scope is not None and scope in request.user.scopes",
        "scope is not None",
        (f"{KEYS}::test_a_key_opens_what_its_scope_says_and_nothing_else",),
    ),
    Leak(
        "a host is looked up without noticing that it moved",
        "tenants/models.py",
        "    with schema_context(get_public_schema_name()):\n        unsettle()\n",
        "    return\n",
        (f"{KEYS}::test_a_host_that_moves_leads_to_its_new_tenant_only",),
    ),
    Leak(
        "a revoked key is not told of",
        "tenants/keys.py",
        '    logger.info("The API key %s was changed", key)\n    unsettle()\n',
        '    logger.info("The API key %s was changed", key)\n',
        (f"{KEYS}::test_a_revoked_key_is_refused_at_once_although_it_was_settled",),
    ),
    Leak(
        "rates are counted together",
        "tenants/throttling.py",
        '    return f"{schema}:requests:{key_id}:{int',
        '    return f"requests:{key_id}:{int',
        (f"{KEYS}::test_rates_of_two_tenants_are_counted_apart",),
    ),
    Leak(
        "behind a pooler schema and role are set for a session",
        "tenants/database/base.py",
        "            once=self.pooler == Pooler.TRANSACTION,\n",
        "            once=False,\n",
        (f"{POOLER}::test_schema_and_role_end_with_each_statement_and_each_transaction",),
    ),
    Leak(
        "a schema outlives its transaction behind a pooler",
        "tenants/database/base.py",
        "            self.search_path_set_schemas = None  # it ended with the transaction\n",
        "            pass\n",
        (f"{POOLER}::test_what_a_transaction_set_is_not_believed_in_the_next",),
    ),
    Leak(
        "nobody notices a pooler",
        "tenants/database/pooler.py",
        "    if noticed and pooler == Pooler.NONE:\n",
        "    if noticed and not pooler:\n",
        (f"{POOLER}::test_a_pooler_that_nobody_named_is_noticed_before_a_tenant_is_entered",),
    ),
    Leak(
        "a page speaks for whomever it names",
        "tenants/browser_keys.py",
        "    if known not in {None, claim.known} or anonymous not in {None, claim.anonymous}:\n",
        "    if claim.known is None and claim.anonymous is None:\n",
        (f"{MATRIX}::test_what_each_credential_opens[a page of another shopper]",),
    ),
    Leak(
        "nobody looks at a token's signature",
        "tenants/browser_keys.py",
        '        options={"require"',
        '        options={"verify_signature": False, "require"',
        (f"{MATRIX}::test_what_each_credential_opens[a page with a forged token]",),
    ),
    Leak(
        "shoppers of one page share the names of their requests",
        "tenants/idempotency.py",
        "holder.key_id, holder.shopper, name",
        "holder.key_id, name",
        ("tests/walls/test_idempotency.py::test_shoppers_who_share_a_browsers_key_do_not_meet_in_a_name",),
    ),
    Leak(
        "a key of one tenant signs tokens for the same key of another",
        "tenants/browser_keys.py",
        "shopper-token:{connection.schema_name}:{digest}",
        "shopper-token:{digest}",
        (f"{MATRIX}::test_what_each_credential_opens[a page with a token of another tenant's]",),
    ),
    Leak(
        "a savepoint that is rolled back leaves another tenant's schema believed",
        "tenants/database/base.py",
        "    def _set_autocommit(",
        "    def savepoint_rollback(self, sid):\n"
        "        super(base.DatabaseWrapper, self).savepoint_rollback(sid)\n\n"
        "    def _set_autocommit(",
        ("tests/walls/test_threads.py::test_a_savepoint_rollback_does_not_leave_the_connection_in_another_tenant",),
    ),
    Leak(
        "a merchandiser filters a list by whose the rows are",
        "tenants/pages.py",
        "        return field.name in self._names_shown(request) or",
        "        return True or",
        (f"{PAGES}::test_a_list_is_filtered_by_nothing_that_its_pages_do_not_show[merchandiser]",),
    ),
    Leak(
        "whoever may edit reviews may see who wrote them",
        "catalog/quality_admin.py",
        '        if request.user.has_perm("profiles.view_shopper"):\n',
        "        if request.user.is_staff:\n",
        (f"{PAGES}::test_merchandisers_and_analysts_meet_no_shopper_on_any_page[merchandiser]",),
    ),
    Leak(
        "a page of a shopper does not say whose data it shows",
        "tenants/audited.py",
        '        if self.personal and request.method == "GET" and response.status_code == 200:\n'
        "            record(Verb.VIEWED",
        "        if False:\n"
        "            record(Verb.VIEWED",
        ("tests/tenants/test_audited_pages.py::test_looking_at_a_shopper_is_recorded_once_a_view",),
    ),
    Leak(
        "workers log as Celery likes",
        "config/celery.py",
        "@setup_logging.connect\n",
        "",
        (f"{LOGS}::test_a_worker_logs_as_the_settings_say",),
    ),
    Leak(
        "an error is logged with the values that it repeats",
        "tenants/logs.py",
        "    return QUOTED.sub(LEFT_OUT, message)\n",
        "    return message\n",
        (f"{LOGS}::test_an_error_is_told_without_what_it_repeats",),
    ),
    Leak(
        "a refusal is logged with its path",
        "tenants/logs.py",
        "isinstance(arg, str) and arg in paths else arg",
        "arg is path else arg",
        (f"{LOGS}::test_a_refusal_is_logged_with_its_tenant_and_its_route",),
    ),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--leak", action="append", choices=[leak.name for leak in LEAKS])
    parser.add_argument("--probes", action="store_true")
    options = parser.parse_args()
    everything = not options.leak and not options.probes
    leaks = [leak for leak in LEAKS if everything or leak.name in (options.leak or ())]
    if shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") is None:
        print("Without PgBouncer nothing is planted behind it.", file=sys.stderr)
        leaks = [leak for leak in leaks if not leak.tests[0].startswith(POOLER)]
    files = PROBES if everything or options.probes else ()
    single = {test for leak in leaks for test in leak.tests}
    tests = [*files, *sorted(test for test in single if test.split("::")[0] not in files)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        as_they_are = pool.submit(run_in_a_copy, None, *tests)
        found = list(pool.map(is_caught, leaks))
        code, said = as_they_are.result()
    leaking = int((re.search(r"(\d+) (?:failed|error)", said) or [0, 0])[1])
    if code:
        print(said, file=sys.stderr)
    caught = [leak.name for leak, was in zip(leaks, found, strict=True) if was]
    report(
        bench="walls",
        probes=int((re.search(r"(\d+) attempts at another tenant", said) or [0, 0])[1]),
        leaks=leaking,
        planted=len(leaks),
        caught=len(caught),
        overlooked=[leak.name for leak in leaks if leak.name not in caught],
    )
    sys.exit(bool(code) or len(caught) < len(leaks))


def is_caught(leak: Leak) -> bool:
    """Whether tests fail with the leak; a run without any test is an error."""
    started = time.perf_counter()
    code, said = run_in_a_copy(leak, "-x", *leak.tests)
    if code not in {0, 1}:
        raise RuntimeError(f"{leak.name}: {said}")
    outcome = "caught" if code else "OVERLOOKED"
    print(f"{outcome} in {time.perf_counter() - started:.0f} s: {leak.name}", file=sys.stderr)
    return code == 1


def run_in_a_copy(leak: Leak | None, *arguments: str) -> tuple[int, str]:
    """The exit code of pytest in a copy of the project with the leak, and what it said last."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "attune"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
        if leak is not None:
            path = copy / leak.path
            whole = path.read_text(encoding="utf-8")
            if whole.count(leak.before) != 1:
                raise RuntimeError(f"{leak.path} has changed: {leak.name}")
            path.write_text(whole.replace(leak.before, leak.after), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=copy,
            env={
                **{name: os.environ[name] for name in os.environ if name not in UNWANTED},
                "ATTUNE_TEST_VAR": str(copy / "var" / "test"),
                "PYTHONPYCACHEPREFIX": str(BYTECODE),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    return done.returncode, done.stdout[-6000:]


if __name__ == "__main__":
    main()
