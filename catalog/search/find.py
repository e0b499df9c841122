"""Searching the catalog: `find` is the one way in."""

from catalog.search.relational import find_in_tables
from catalog.search.values import MOST_LIMIT, MOST_OFFSET, SearchRequest, SearchResults


def find(request: SearchRequest) -> SearchResults:
    """A page of the current tenant's items that suit the request, best first.

    Raises ValueError for a page out of bounds, and DatabaseError while the database is out.
    """
    if not 0 <= request.offset <= MOST_OFFSET or not 0 <= request.limit <= MOST_LIMIT:
        raise ValueError("The page is out of bounds.")
    return find_in_tables(request)
