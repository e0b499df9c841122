"""How staff find items: by the start of an external id, or by words of the title."""

import re

from django.db.models import Q, QuerySet

from catalog.models import Item


def find_items(items: QuerySet[Item], text: str) -> QuerySet[Item]:
    """The items whose external id begins with `text`, or whose title has each of its words.

    Both sides use an index: the first that of `LIKE 'text%'` (case counts), the second the
    trigrams. Django's `icontains` would compare UPPER(title), which no index has; a regular
    expression reads the column itself.
    """
    titled = Q()
    for word in text.split():
        titled &= Q(title__iregex=re.escape(word))
    return items.filter(Q(external_id__startswith=text) | titled) if text else items
