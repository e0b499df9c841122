"""A log line names the tenant and the route, and repeats no value of a row or a request."""

import io
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator

import orjson
import pytest
from django.conf import settings
from django.db import DatabaseError, transaction
from pydantic import BaseModel

from profiles.models import Shopper
from tenants.connection import connection
from tenants.models import Tenant
from tests.conftest import ApiClient
from tests.make import make_shopper

CANARY = "jürgen's-canary@example.org"
NUMBER = "49151987654"

logger = logging.getLogger(__name__)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the configured handler writes, filters and format included."""
    (console,) = [each for each in logging.getLogger().handlers if each.get_name() == "console"]
    assert isinstance(console, logging.StreamHandler)
    written = io.StringIO()
    before = console.setStream(written)
    yield written
    console.setStream(before)


class Number(BaseModel):
    number: int


def run(statement: str, *values: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def take_the_same_id() -> None:
    with transaction.atomic():
        Shopper.objects.create(external_id=f"{CANARY}\n{NUMBER}")


def look_it_up() -> None:
    names: dict[str, int] = {}
    names[CANARY] += 1


def group_of_errors() -> None:
    raise ExceptionGroup("some", [ValueError(f"no {CANARY!r}"), KeyError(NUMBER)])


ERRORS: dict[str, tuple[Callable[[], object], str]] = {
    "a constraint": (take_the_same_id, 'violates unique constraint "profiles_shopper_external_id'),
    "a cast": (lambda: run("SELECT %s::text::int", f'{CANARY}" {NUMBER}'), "DataError: invalid"),
    "a statement": (lambda: run(f"SELECT $${CANARY} {NUMBER}$$ FRO x"), "syntax error at or near"),
    "a missing table": (lambda: run("SELECT 1 FROM nothing"), 'relation "nothing" does not exist'),
    "NUL": (lambda: run("SELECT %s", f"{CANARY}\x00{NUMBER}"), "cannot contain NUL"),
    "a number": (lambda: int(CANARY), "ValueError: invalid literal for int() with base 10"),
    "a name": (look_it_up, "KeyError"),
    "JSON": (lambda: orjson.loads(f'"{CANARY}'), "JSONDecodeError"),
    "a model": (lambda: Number.model_validate({"number": CANARY}), "validation error for Number"),
    "several": (group_of_errors, "ExceptionGroup: some (2 sub-exceptions)"),
    "a file": (lambda: open("/there/is/none"), "No such file or directory: '/there/is/none'"),  # noqa: SIM115  # it is not there
}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_is_told_without_what_it_repeats(
    tenant: Tenant, log: io.StringIO, kind: str
) -> None:
    make_shopper(f"{CANARY}\n{NUMBER}")
    act, told = ERRORS[kind]
    try:
        act()
    except Exception as error:
        logger.exception("It failed")
        logger.warning("It failed: %s, or %r", error, error)
    lines = log.getvalue()
    assert lines.count(told) >= 3, "the error is told all the same"
    assert "Traceback (most recent call last):" in lines
    assert f'File "{__file__}", line' in lines
    for secret in (CANARY, "canary", NUMBER):
        assert secret not in lines
    assert "ERROR [ours] tests.tenants.test_logs: It failed" in lines


def test_the_errors_that_led_to_another_are_told_without_their_values_too(
    tenant: Tenant, log: io.StringIO
) -> None:
    def fail() -> None:
        try:
            int(CANARY)
        except ValueError as error:
            raise DatabaseError(f"The shopper {CANARY!r} has no state") from error

    try:
        fail()
    except DatabaseError:
        logger.exception("It failed")
    lines = log.getvalue()
    assert "ValueError: invalid literal" in lines
    assert "The above exception was the direct cause of the following exception:" in lines
    assert lines.endswith("django.db.utils.DatabaseError: The shopper … has no state\n")
    assert "canary" not in lines


def test_a_refusal_is_logged_with_its_tenant_and_its_route(
    api: ApiClient, log: io.StringIO
) -> None:
    assert api.get(f"/api/v1/shoppers/{CANARY}").status_code == 404
    api.client.get("/healthz", headers={"Host": "nobodys.localhost"})
    lines = log.getvalue().splitlines()
    assert lines[0].endswith(
        "WARNING [ours] django.request: Not Found: /api/v1/shoppers/<str:shopper>"
    )
    assert lines[1].endswith("WARNING [public] django.request: Not Found: an address of nothing")
    assert "canary" not in log.getvalue()


def test_the_embedded_database_writes_no_value_of_a_row_into_its_own_log(tenant: Tenant) -> None:
    log_file = settings.VAR_DIR / "log" / "postgres.log"
    if not log_file.exists():
        pytest.skip("The tests run on a database of somebody else's.")
    make_shopper(f"{CANARY}\n{NUMBER}")
    for kind in ("a constraint", "a cast", "a statement"):
        with pytest.raises(DatabaseError):
            ERRORS[kind][0]()
    written = log_file.read_text(encoding="utf-8")
    assert "ready to accept connections" in written
    for secret in ("canary", NUMBER):
        assert secret not in written


WORKER = f"""
from config.celery import app
app.loader.import_default_modules()
app.log.setup(loglevel="INFO", redirect_stdouts=True)  # as a worker begins

import logging
from django.db import IntegrityError
from django_tenants.utils import schema_context

@app.task(name="fails")
def fails(schema):
    with schema_context(schema):
        logging.getLogger("a.task").info("A line")
        raise IntegrityError("duplicate key\\nDETAIL:  Key (external_id)=({CANARY}) exists.")

fails.apply(args=("northwind",))
"""


def test_a_worker_logs_as_the_settings_say(tenant: Tenant) -> None:
    told = subprocess.run(
        [sys.executable, "-c", WORKER], capture_output=True, text=True, check=True
    )
    said = told.stdout + told.stderr
    assert "INFO [northwind] a.task: A line" in said
    assert "ERROR [public] celery.app.trace: Task fails[" in said
    assert "django.db.utils.IntegrityError: duplicate key" in said
    assert "canary" not in said
