"""Every place that holds something of a shopper: how it is found there, told, and erased.

An app registers its stores when it is ready (`register`). Requests of shoppers walk them all, so
what is not registered is neither told nor erased: tests/test_stores.py refuses a model with a link
to a shopper that no store covers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from django.db import models
from django.db.models import Model, QuerySet

from profiles.models import Identity, Shopper
from tenants.tombstones import Name

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """A shopper with every id: of rows, those merged into it included, and of the storefront."""

    shoppers: tuple[int, ...]
    known: tuple[str, ...]
    anonymous: tuple[str, ...]

    @property
    def names(self) -> set[Name]:
        """The ids as tombstones take them."""
        return {(Identity.Kind.KNOWN.value, value) for value in self.known} | {
            (Identity.Kind.ANONYMOUS.value, value) for value in self.anonymous
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "shoppers": self.shoppers,
            "known": self.known,
            "anonymous": self.anonymous,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Person":
        return cls(*(tuple(stored[name]) for name in ("shoppers", "known", "anonymous")))


def person_of(shopper: Shopper) -> Person:
    """The shopper with all ids that lead there now."""
    rows, found = {shopper.pk}, {shopper.pk}
    while found:
        merged = Shopper.objects.filter(merged_into__in=found).values_list("pk", flat=True)
        found = set(merged) - rows
        rows |= found
    known: list[str] = []
    anonymous: list[str] = []
    for kind, value in Identity.objects.filter(shopper__in=rows).values_list("kind", "value"):
        (known if kind == Identity.Kind.KNOWN else anonymous).append(value)
    return Person(tuple(sorted(rows)), tuple(sorted(known)), tuple(sorted(anonymous)))


class When(IntEnum):
    """The order in which stores are erased. Within one, what was registered last comes first: what
    lies above finds its rows through what lies below."""

    FIRST = 0
    """While all can still be read, in the transaction that seals."""
    SEALING = 1
    """In that transaction too: from its end on nothing finds or uses the shopper."""
    AFTER = 2
    """In a transaction of its own."""
    LAST = 3
    """What all others hang on."""


def _nothing(_: Person) -> set[Name]:
    return set()


@dataclass(frozen=True, slots=True)
class Store:
    """One place. `count` tells how many personal rows or entries of a person are there; zero once
    `erase` has run, which may run twice. `rows` is all of them, as the shopper may read it.

    `names` are ids in the store that must not come back either, read before it is erased. `keeps`
    says what stays and is nobody's any more.
    """

    name: str
    holds: str
    when: When
    models: tuple[type[Model], ...]
    count: Callable[[Person], int]
    rows: Callable[[Person], Iterable[Row]]
    erase: Callable[[Person], None]
    names: Callable[[Person], set[Name]] = _nothing
    keeps: str = ""


_stores: dict[str, Store] = {}


def register(*stores: Store) -> None:
    """Add an app's stores, those below before those above."""
    for store in stores:
        _stores[store.name] = store


def all_stores() -> list[Store]:
    """Every store, in the order in which they are erased."""
    from_the_top = [*_stores.values()][::-1]
    return sorted(from_the_top, key=lambda store: store.when)


def of_rows(
    name: str,
    holds: str,
    find: Callable[[Person], QuerySet[Any]],
    *,
    when: When = When.AFTER,
    without: Iterable[str] = (),
) -> Store:
    """A store that is a table: its rows are found by `find`, and deleted. `without` are columns
    that say nothing of the shopper."""
    model: type[Model] = find(Person((), (), ())).model
    hidden = frozenset(without)
    columns = [f for f in model._meta.concrete_fields if f.name not in hidden]  # noqa: SLF001  # documented by Django

    def erase(person: Person) -> None:
        find(person).delete()

    return Store(
        name,
        holds,
        when,
        (model,),
        count=lambda person: find(person).count(),
        rows=lambda person: told(find(person), columns),
        erase=erase,
    )


def told(rows: QuerySet[Any], columns: Iterable[models.Field[Any, Any]]) -> Iterator[Row]:
    """The rows as a person reads them: an item or another row by what it is called."""
    fields = list(columns)
    linked = [f.name for f in fields if f.is_relation and f.name != "shopper"]
    for row in rows.select_related(*linked).order_by("pk").iterator(chunk_size=1_000):
        told_row: Row = {}
        for field in fields:
            if field.name == "shopper":
                continue
            value = getattr(row, field.name)
            if isinstance(value, Model):
                value = getattr(value, "external_id", None) or str(value)
            told_row[field.name] = value
        yield told_row
