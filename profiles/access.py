"""Everything that is held on a shopper, as a ZIP: a page to read, and JSON for machines."""

import io
import json
import zipfile
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string
from django.utils import timezone
from django_tenants.utils import get_public_schema_name, schema_context

from profiles.models import Shopper
from profiles.stores import all_stores, person_of
from tenants.audit import About, Verb, record
from tenants.connection import connection
from tenants.models import Tenant

SHOWN_ON_PAGE = 1_000
"""Rows of one store on the page; the JSON has all."""


def export_shopper(shopper: Shopper) -> bytes:
    """A ZIP with `index.html` and `data.json`. It is made anew each time and kept nowhere, so there
    is no copy that an erasure would have to find. Reading it is in the audit trail."""
    data = _collected(shopper)
    record(Verb.EXPORTED, About("profiles.shopper", str(shopper.pk), f"shopper {shopper.pk}"))
    shown = [
        {
            **store,
            "columns": list(store["rows"][0]) if store["rows"] else [],
            "shown": [
                [_readable(value) for value in row.values()]
                for row in store["rows"][:SHOWN_ON_PAGE]
            ],
        }
        for store in data["stores"]
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "index.html", render_to_string("profiles/export.html", {**data, "stores": shown})
        )
        archive.writestr(
            "data.json", json.dumps(data, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
        )
    return packed.getvalue()


def _collected(shopper: Shopper) -> dict[str, Any]:
    person = person_of(shopper)
    schema = connection.schema_name
    with schema_context(get_public_schema_name()):
        tenant = Tenant.objects.get(schema_name=schema)
    stores = []
    for store in reversed(all_stores()):
        rows = list(store.rows(person))
        stores.append(
            {
                "store": store.name,
                "holds": store.holds,
                "found": store.count(person),
                "rows": rows,
            }
        )
    return {
        "shop": tenant.name,
        "made_at": timezone.now(),
        "ids": [*person.known, *person.anonymous],
        "stores": stores,
    }


def _readable(value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
    if hasattr(value, "strftime"):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)
