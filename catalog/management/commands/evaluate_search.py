"""How good search is on judged queries: `manage.py evaluate_search --judgments FILE …`."""

import json
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django_tenants.utils import schema_context, tenant_context

from catalog.embedding import embedder
from catalog.feeds.detect import detect_format
from catalog.importing import run_import
from catalog.models import FeedFormat, FeedImport, Item
from catalog.search.evaluation import DEPTH, measure, read_judgments
from catalog.search.find import find
from catalog.search.indexing import update_index
from catalog.search.synonyms import synonyms_in
from catalog.search.values import SearchRequest
from catalog.tasks import embed_changed_items
from tenants.closing import close_tenant
from tenants.models import Tenant
from tenants.opening import open_tenant

SCHEMA = "search_evaluation"


class Command(BaseCommand):
    help = (
        "Measure search on judged queries: nDCG@10, judged@10, condensed nDCG@10 and recall@100, as"
        " JSON. With --catalog, in a tenant that is opened for it and closed again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--judgments", type=Path, required=True, help="CSV: query, product, rating."
        )
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--catalog", type=Path, help="A feed in any format.")
        source.add_argument("--tenant", metavar="SCHEMA", help="A shop that is there already.")
        parser.add_argument("--format", choices=FeedFormat.values, help="Guessed if left out.")
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="'Feed column=field'",
            help="Once for each column, as 'Name=title' or 'attr_*=attribute'.",
        )
        parser.add_argument("--options", default="{}", help='JSON, as \'{"currency": "GBP"}\'.')

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("judgments", "catalog"):
            if options[name] is not None and not options[name].is_file():
                raise CommandError(f"There is no file {options[name]}.")
        try:
            judgments = read_judgments(options["judgments"])
        except (ValueError, OSError) as error:
            raise CommandError(str(error)) from error
        with ExitStack() as stack:
            if options["tenant"] is None:
                schema = SCHEMA
                _close_leftover()
                tenant = open_tenant(
                    schema_name=SCHEMA, name="Evaluation", host=f"{SCHEMA}.invalid"
                )
                stack.callback(close_tenant, tenant)
                with schema_context(schema):
                    _import(options)
                    embed_changed_items(schema)
            else:
                schema = options["tenant"]
            tenant = Tenant.objects.filter(schema_name=schema).first()
            if tenant is None:
                raise CommandError(f"There is no tenant {schema!r}.")
            with tenant_context(tenant):
                update_index()
                names = dict(Item.objects.values_list("pk", "external_id"))
                quality = measure(
                    judgments,
                    lambda query: [names.get(pk, "") for pk in _searched(query)],
                )
        result = {**quality.as_json(), "items": len(names), "embedder": embedder().version}
        self.stdout.write(json.dumps(result))


def _searched(query: str) -> list[int]:
    """The items that the API's search would have, in the order before the shopper's own."""
    results = find(SearchRequest(query, limit=DEPTH, synonyms=synonyms_in(query)))
    return [hit.item_id for hit in results.hits]


def _close_leftover() -> None:
    """Of a run that was interrupted."""
    for tenant in Tenant.objects.filter(schema_name=SCHEMA):
        close_tenant(tenant)


def _import(options: dict[str, Any]) -> None:
    path: Path = options["catalog"]
    with path.open("rb") as stream:
        guessed = options["format"] or detect_format(path.name, stream.read(4096))
        stream.seek(0)
        feed_import = FeedImport.objects.create(
            format=guessed,
            file_name=path.name,
            columns=dict(column.split("=", 1) for column in options["column"]),
            options=json.loads(options["options"]),
        )
        run_import(feed_import, stream)
    if feed_import.status == FeedImport.Status.FAILED:
        raise CommandError(f"Nothing was imported. {feed_import.failure}")
