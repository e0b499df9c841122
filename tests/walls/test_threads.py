"""Many threads over one pool of connections, two tenants, errors and rollbacks in between."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress

import pytest
from django.core.cache import cache
from django.db import DatabaseError, IntegrityError, ProgrammingError, transaction
from django.test import Client
from django_tenants.utils import schema_context

from catalog.models import Item
from profiles.ingest import record_events
from profiles.models import Event, Shopper
from tenants.connection import connection
from tenants.keys import mint_key
from tests.conftest import TenantPair
from tests.make import make_item
from tests.threads import at_once

THREADS = 8
ROUNDS = 30


class Regret(Exception):
    """Why a transaction is rolled back."""


def regret() -> None:
    raise Regret


class Mixed(AssertionError):
    """One tenant saw what is the other's."""


def look(schema: str) -> None:
    """Everything that is read here has to be this schema's own."""
    current, role = place()
    owners = set(Item.objects.values_list("brand", flat=True))
    if current != schema or not role.endswith(f".{schema}") or owners - {schema}:
        raise Mixed(f"{schema} is in {current} as {role} and saw items of {owners}.")


def place() -> tuple[str, str]:
    """The schema in which the next statement looks, and the role as which it does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema(), current_user")
        schema, role = cursor.fetchone() or ("", "")
    return str(schema), str(role)


def read(schema: str, _: random.Random) -> None:
    look(schema)


def write(schema: str, chance: random.Random) -> None:
    make_item(f"{schema}-{chance.random()}", brand=schema)


def write_and_roll_back(schema: str, chance: random.Random) -> None:
    try:
        with transaction.atomic():
            write(schema, chance)
            regret()
    except Regret:
        look(schema)


def roll_back_to_a_savepoint(schema: str, chance: random.Random) -> None:
    with transaction.atomic():
        try:
            with transaction.atomic():
                write(schema, chance)
                Item.objects.create(external_id=f"{schema}-0")
                Item.objects.create(external_id=f"{schema}-0")
        except IntegrityError:
            look(schema)
        write(schema, chance)
    look(schema)


def visit_the_other_within_a_savepoint(schema: str, chance: random.Random) -> None:
    """What is set within a savepoint is undone with it: the search path, too."""
    other = {"here": "there", "there": "here"}[schema]
    with transaction.atomic():
        look(schema)
        try:
            with transaction.atomic(), schema_context(other):
                look(other)
                regret()
        except Regret:
            look(schema)
    look(schema)


def fail(schema: str, _: random.Random) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM there_is_no_such_table")
    except DatabaseError:
        look(schema)


def name_the_other(schema: str, _: random.Random) -> None:
    """SQL that names the other's schema is refused, and nothing of the attempt stays."""
    other = {"here": "there", "there": "here"}[schema]
    with suppress(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{other}".catalog_item')
        raise Mixed(f"{schema} read the items of {other}.")
    look(schema)


def reconnect(schema: str, _: random.Random) -> None:
    connection.close()
    look(schema)


def send_events(schema: str, chance: random.Random) -> None:
    record_events([{"kind": "view", "shopper": f"{schema}-s{chance.randint(0, 5)}", "item": "A"}])
    shoppers = Shopper.objects.values_list("external_id", flat=True)
    if {str(name).partition("-")[0] for name in shoppers} != {schema}:
        raise Mixed(f"{schema} saw {list(shoppers)}.")


def use_the_cache(schema: str, chance: random.Random) -> None:
    cache.set(f"word-{chance.randint(0, 3)}", schema)
    found = set(cache.get_many([f"word-{number}" for number in range(4)]).values())
    if found - {schema}:
        raise Mixed(f"{schema} read {found} from the cache.")


DOINGS: tuple[Callable[[str, random.Random], None], ...] = (
    read, write, write_and_roll_back, roll_back_to_a_savepoint, fail, reconnect, name_the_other,
    visit_the_other_within_a_savepoint, send_events, use_the_cache,
)  # fmt: skip


def interleave(through: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
    """Eight threads, each now in one tenant and now in the other, over the connections that
    `through` gives. Raises Mixed. Needs the `committed` fixture."""
    keys = {}
    for schema in ("here", "there"):
        with schema_context(schema):
            make_item("A", title=f"{schema} A", brand=schema)
            _, keys[schema] = mint_key("tests")

    def get_a_slate(schema: str, _: random.Random) -> None:
        answer = Client().get(
            "/api/v1/recommendations?placement=home&limit=20",
            headers={"Host": f"{schema}.localhost", "Authorization": f"Bearer {keys[schema]}"},
        )
        brands = {item["brand"] for item in answer.json()["items"]}
        if answer.status_code != 200 or brands != {schema}:
            raise Mixed(f"{schema} was served {brands}.")
        if connection.schema_name != "public":
            raise Mixed(f"A request left the connection in {connection.schema_name}.")

    def work(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311  # the same work in every run
        with through():
            for _ in range(ROUNDS):
                schema = chance.choice(["here", "there"])
                doing = chance.choice([*DOINGS, get_a_slate])
                with schema_context("public" if doing is get_a_slate else schema):
                    doing(schema, chance)

    at_once(*[lambda seed=seed: work(seed) for seed in range(THREADS)])

    for schema in ("here", "there"):
        with schema_context(schema):
            assert set(Item.objects.values_list("brand", flat=True)) <= {schema, ""}
            assert Item.objects.filter(brand=schema).count() > 5
            assert Event.stored.exclude(shopper__external_id__startswith=schema).count() == 0


def test_threads_of_two_tenants_never_mix(committed: TenantPair) -> None:
    interleave()


@pytest.mark.django_db
def test_a_savepoint_rollback_does_not_leave_the_connection_in_another_tenant(
    tenants: TenantPair,
) -> None:
    """Search path and role are undone with the savepoint they were set in; the wrapper must not
    go on believing in them (django-tenants before 4.0.1 did)."""

    def where() -> str:
        schema, role = place()
        assert role.endswith(f".{schema}"), "the role goes with the search path"
        return schema

    connection.set_tenant(tenants.ours)
    assert where() == "ours"
    savepoint = transaction.savepoint()
    connection.set_tenant(tenants.theirs)
    assert where() == "theirs"
    transaction.savepoint_rollback(savepoint)
    assert where() == "theirs"

    connection.set_tenant(tenants.ours)
    savepoint = transaction.savepoint()
    assert where() == "ours"
    transaction.savepoint_rollback(savepoint)
    assert where() == "ours"
    assert Item.objects.count() == 0
    connection.set_schema_to_public()


def test_a_whole_rollback_does_not_either(committed: TenantPair) -> None:
    for schema in ("here", "there", "here"):
        with suppress(Regret), schema_context(schema), transaction.atomic():
            make_item(brand=schema)
            regret()
        with schema_context(schema):
            look(schema)
            assert not Item.objects.exists()
