"""What the merchant says goes with an item."""

from collections.abc import Collection
from typing import NamedTuple

from django.db import connection

from catalog.models import ItemLink
from tenants.outage import require_database
from tenants.settled import settled


class Link(NamedTuple):
    """From the item of this title to one that is listed, `position` in the merchant's order."""

    item: int
    title: str
    linked: int
    kind: str
    position: int


LINKS = """
    SELECT DISTINCT asked.id, asked.title, target.id, link.kind, link.position
    FROM catalog_item asked
    JOIN LATERAL (
        SELECT asked.id
        UNION
        SELECT id FROM catalog_item WHERE group_id = asked.group_id AND group_id <> ''
    ) AS speaker ON true
    JOIN catalog_itemlink link ON link.item_id = speaker.id
    JOIN catalog_item head ON head.id = link.linked_id
    JOIN LATERAL (
        SELECT head.id WHERE head.group_id = '' AND head.available AND head.archived_at IS NULL
        UNION
        SELECT id FROM catalog_item
        WHERE group_id = head.group_id AND group_id <> '' AND available AND archived_at IS NULL
    ) AS target ON target.id <> asked.id
    WHERE asked.id = ANY(%s::bigint[]) AND link.kind = ANY(%s)
    ORDER BY asked.id, link.position, target.id
"""


def find_links(
    item_ids: Collection[int], kinds: Collection[str] = tuple(ItemLink.Kind)
) -> list[Link]:
    """The links of these items and of the groups they belong to, in the merchant's order.

    A link of or to one item of a group speaks for all its variants, so it comes back for the item
    that was asked for, and once for each variant that is listed. One query; none for a shop that
    has no links. Raises DatabaseError.
    """
    if not item_ids or not settled("links", ItemLink.objects.exists):
        return []
    require_database()
    with connection.cursor() as cursor:
        cursor.execute(LINKS, [list(item_ids), [str(kind) for kind in kinds]])
        return [Link._make(row) for row in cursor.fetchall()]
