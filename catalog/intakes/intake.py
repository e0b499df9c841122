"""What an import has to know of its rows: how they are read, kept aside, and merged."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, Protocol, TypeVar

from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.rows import FeedError
from catalog.models import Item

R = TypeVar("R")


class Counts(NamedTuple):
    """What a merge did, in rows of the feed; `archived` are those that a full feed left out.

    `names_erased`: the feed had rows of shoppers who were erased. They are in no table; the file
    is not kept either.
    """

    created: int
    updated: int
    archived: int
    names_erased: bool = False


class Intake(Protocol[R]):
    """One kind of row on its way from a feed into the tables of the tenant.

    `tables` are the temporary tables it needs, with their columns.
    """

    tables: Mapping[str, str]

    def read(
        self,
        stream: BinaryIO,
        *,
        format: FeedFormat,  # noqa: A002 - the word of the API
        columns: Mapping[str, str] | None,
        defaults: FeedDefaults,
    ) -> Iterator[R | FeedError]: ...

    def stage(self, rows: list[R]) -> list[FeedError]:
        """Copy the rows into the temporary tables, but those that do not suit the catalog."""
        ...

    def merge(self, cursor: Any, *, full: bool) -> Counts:
        """Merge what was staged. Runs in a transaction, one import at a time, maybe twice."""
        ...


def item_ids(external_ids: Collection[str]) -> dict[str, int]:
    """The items that are known by these external ids. One query."""
    found = Item.objects.filter(external_id__in=external_ids)
    return dict(found.values_list("external_id", "id"))
