"""Paging through a big table: what a page costs does not grow with the rows it leaves out."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import Model, QuerySet

if TYPE_CHECKING:
    ListPaginator = Paginator[Any]
else:
    ListPaginator = Paginator

EXACT_BELOW = 10_000
"""A table that the planner thinks smaller than this is counted; a larger one is not."""


class EstimatingPaginator(ListPaginator):
    """Counts small tables, estimates big ones, and counts at most `EXACT_BELOW` rows of a filter.

    The page shows `count_in_words`, which says which of these it was.
    """

    template_name = "admin/pagination_estimated.html"

    _words = "{:,}"

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Model] = self.object_list  # type: ignore[assignment]  # the admin's lists are
        if is_whole_table(rows):
            estimate = estimated_rows(rows.model)
            if estimate is not None and estimate >= EXACT_BELOW:
                self._words = "about {:,}"
                return estimate
            return rows.count()
        counted = rows.order_by().values("pk")[: EXACT_BELOW + 1].count()
        if counted > EXACT_BELOW:
            self._words = "more than {:,}"
        return min(counted, EXACT_BELOW)

    def page(self, number: int | str) -> Page[Any]:
        """The rows of a page, found by their keys: the rows before it are neither joined nor read.

        Two statements, the first of which mostly reads an index alone.
        """
        number = self.validate_number(number)
        rows: QuerySet[Model] = self.object_list  # type: ignore[assignment]
        bottom = (number - 1) * self.per_page
        keys = list(rows.values_list("pk", flat=True)[bottom : bottom + self.per_page])
        return Page(rows.filter(pk__in=keys), number, self)

    @property
    def count_in_words(self) -> str:
        count = self.count  # first, because counting chooses the words
        return self._words.format(count)


def is_whole_table(rows: QuerySet[Model]) -> bool:
    """Whether no filter leaves out a row of the table."""
    query = rows.query
    return not query.where and not query.is_sliced and not query.distinct and not query.combinator


def estimated_rows(model: type[Model]) -> int | None:
    """The planner's count of the model's table in the current schema, scaled to its present size.

    Sums the partitions of a partitioned table. None when a part of it was never analyzed. One
    statement on the catalog tables, whatever the size.
    """
    table = model._meta.db_table  # noqa: SLF001  # documented by Django
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH parts AS (
                SELECT c.reltuples, c.relpages, pg_relation_size(c.oid)
                    / current_setting('block_size')::int AS pages
                FROM pg_class c
                WHERE c.relkind = 'r' AND (
                    c.oid = %(table)s::regclass
                    OR c.oid IN (SELECT relid FROM pg_partition_tree(%(table)s::regclass))
                )
            )
            SELECT coalesce(sum(reltuples / greatest(relpages, 1) * pages), 0),
                   coalesce(bool_or(reltuples < 0 AND pages > 0), false)
            FROM parts
            """,
            {"table": connection.ops.quote_name(table)},
        )
        rows, unknown = cursor.fetchone()
    return None if unknown else round(rows)
