"""Filling a demo store through the product's own doors: feed, consents, events, training."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from itertools import islice
from typing import Any

from django.db import transaction
from django.urls import reverse
from django_tenants.utils import schema_context

from catalog.importing import run_import
from catalog.models import FeedContent, FeedFormat, FeedImport, Item
from catalog.search.indexing import update_index
from catalog.tasks import check_whole_catalog, embed_changed_items
from demo.marks import LOADED, LOADING, DemoNotLoaded, mark
from demo.storefront.visitor import FEATURED_TRAIT
from demo.stores import Store
from demo.values import DemoEvent, DemoItem, DemoReview, DemoShopper
from profiles.consent import record_consents
from profiles.identity import ShopperRef, ensure_shoppers
from profiles.ingest import OutcomeStatus, record_events
from profiles.models import Purpose, Shopper
from profiles.state import rebuild_states
from recommendations.models import MerchandisingRule, Placement, RankerVersion
from recommendations.placements import ensure_default_placements
from recommendations.rule_reach import measure
from recommendations.searching.words import refresh_search_words
from recommendations.training_run import train
from tenants.closing import close_tenant
from tenants.models import Tenant
from tenants.opening import open_tenant
from tenants.settled import unsettle

CONSENT_SOURCE = "demo data"
EVENT_BATCH = 5_000

Step = Callable[[str], AbstractContextManager[None]]
"""Shows a step by its name, and how long it took when it is left."""


@dataclass(frozen=True, slots=True)
class DemoRule:
    """A merchandising rule of a demo store. It is about an item or about a category."""

    kind: MerchandisingRule.Kind
    name: str
    item: str = ""
    category: str = ""
    placement: str = ""
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreData:
    """What goes into a store. `featured` are the shoppers that the storefront offers to be."""

    items: Sequence[DemoItem]
    shoppers: Sequence[DemoShopper]
    events: Sequence[DemoEvent]
    featured: Sequence[str]
    rules: Sequence[DemoRule] = ()
    reviews: Sequence[DemoReview] = ()


def load_store(
    store: Store, make_data: Callable[[datetime], StoreData], *, now: datetime, step: Step
) -> None:
    """Open the store's tenant and fill it; what an interrupted load left is closed before.

    Raises DemoNotLoaded when the product refuses any of the data.
    """
    half = Tenant.objects.filter(schema_name=store.schema).first()
    if half is not None:
        with step("Closing what an interrupted load left"):
            close_tenant(half)
    with step("Opening the tenant"), transaction.atomic():
        open_tenant(schema_name=store.schema, name=store.name, host=store.host)
        mark(store, LOADING)
    with step("Making up items, shoppers and what they did"):
        data = make_data(now)
    with schema_context(store.schema):
        began = min((event.occurred_at for event in data.events), default=now)
        with step(f"Importing {len(data.items):,} items as a feed"):
            import_items(store, data.items)
        with step(f"Importing {len(data.reviews):,} reviews, and checking what the catalog lacks"):
            import_reviews(store, data.reviews, now=now)
            check_whole_catalog(store.schema)
        with step("Embedding their texts"):
            embed_changed_items(store.schema)
        with step(f"Adding {len(data.shoppers):,} shoppers and their consents"):
            add_shoppers(data.shoppers, featured=data.featured, now=began)
        with step(f"Recording {len(data.events):,} events"):
            add_events(data, now=now)
        with step("Computing the shoppers' states"):
            rebuild_states(list(Shopper.objects.values_list("pk", flat=True)))
        with step("Training the ranker"):
            version = train(now)
        if not RankerVersion.objects.live().filter(pk=version.pk).exists():
            raise DemoNotLoaded(f"The ranker of {store.name} did not go live: {version.note}")
        add_rules(data.rules)
        with step("Building what search reads"):
            update_index(anew=True)
            refresh_search_words(now, anyway=True)
    mark(store, LOADED)


def import_items(store: Store, items: Iterable[DemoItem]) -> None:
    """Run the catalog through the importer, as a JSON Lines feed of the whole catalog."""
    feed_import = FeedImport.objects.create(
        format=FeedFormat.JSONL, file_name=f"{store.schema}-catalog.jsonl", full=True
    )
    run_import(feed_import, BytesIO("\n".join(map(_feed_line, items)).encode()))
    _require_whole(feed_import, f"The catalog of {store.name}")


def import_reviews(store: Store, reviews: Iterable[DemoReview], *, now: datetime) -> None:
    """Run the reviews through the importer, as a JSON Lines feed."""
    lines = [_review_line(review, now) for review in reviews]
    if not lines:
        return
    feed_import = FeedImport.objects.create(
        content=FeedContent.REVIEWS,
        format=FeedFormat.JSONL,
        file_name=f"{store.schema}-reviews.jsonl",
    )
    run_import(feed_import, BytesIO("\n".join(lines).encode()))
    _require_whole(feed_import, f"What is said of {store.name}")


def _require_whole(feed_import: FeedImport, what: str) -> None:
    if feed_import.status != FeedImport.Status.DONE or feed_import.failed:
        first = feed_import.row_errors.first()
        raise DemoNotLoaded(
            f"{what} was not imported whole: {first.message if first else feed_import.failure}"
        )


def add_shoppers(
    shoppers: Sequence[DemoShopper], *, featured: Sequence[str], now: datetime
) -> None:
    """Make the shoppers with their traits, and record what each of them granted and refused."""
    ensure_shoppers([ShopperRef(known=shopper.external_id) for shopper in shoppers], now=now)
    rows = {
        row.external_id: row
        for row in Shopper.objects.filter(external_id__in=[s.external_id for s in shoppers])
    }
    position = {external_id: number for number, external_id in enumerate(featured)}
    for shopper in shoppers:
        row = rows[shopper.external_id]
        row.traits = {"name": shopper.name, "email": shopper.email, "summary": shopper.summary}
        if shopper.external_id in position:
            row.traits[FEATURED_TRAIT] = position[shopper.external_id]
    Shopper.objects.bulk_update(rows.values(), ["traits"], batch_size=500)
    for purpose in Purpose:
        for granted in (True, False):
            record_consents(
                [
                    rows[shopper.external_id]
                    for shopper in shoppers
                    if (purpose.value in shopper.granted) == granted
                ],
                {purpose: granted},
                source=CONSENT_SOURCE,
                now=now,
            )


def add_events(data: StoreData, *, now: datetime) -> None:
    """Record the events in batches. The states are the caller's to rebuild."""
    currency = {item.external_id: item.currency for item in data.items}
    events: Iterator[dict[str, Any]] = (_raw_event(event, currency) for event in data.events)
    while batch := list(islice(events, EVENT_BATCH)):
        for raw, outcome in zip(
            batch, record_events(batch, now=now, update_states=False), strict=True
        ):
            if outcome.status != OutcomeStatus.STORED:
                raise DemoNotLoaded(f"The event {raw} was not stored: {outcome}")


def add_rules(rules: Iterable[DemoRule]) -> None:
    ensure_default_placements()
    for rule in rules:
        row = MerchandisingRule.objects.create(
            name=rule.name,
            kind=rule.kind,
            status=MerchandisingRule.Status.LIVE,
            item=Item.objects.get(external_id=rule.item) if rule.item else None,
            category=rule.category,
            amount=rule.amount,
        )
        if rule.placement:
            row.placements.add(Placement.objects.get(code=rule.placement))
        measure(row)
    unsettle()  # the placements are stored after the rule, which unsettled too early


def _feed_line(item: DemoItem) -> str:
    return json.dumps(
        {
            "id": item.external_id,
            "kind": item.kind,
            "title": item.title,
            "description": item.description,
            "brand": item.brand,
            "category_path": list(item.category_path),
            "attributes": dict(item.attributes),
            "images": [reverse("demo:picture", args=[item.external_id])],
            "address": reverse("demo:item", args=[item.external_id]),
            "language": item.language,
            "group_id": item.group_id,
            "price": str(item.price),
            "sale_price": None if item.sale_price is None else str(item.sale_price),
            "currency": item.currency,
            "cost": str(item.cost),
            "stock": item.stock,
        },
        ensure_ascii=False,
    )


def _review_line(review: DemoReview, now: datetime) -> str:
    written_at = (now - timedelta(days=review.days_ago)).date()
    return json.dumps(
        {
            "item": review.item,
            "rating": review.rating,
            "text": review.text,
            "author": review.author,
            "written_at": written_at.isoformat(),
        },
        ensure_ascii=False,
    )


def _raw_event(event: DemoEvent, currency: dict[str, str]) -> dict[str, Any]:
    fields = {
        "kind": event.kind,
        "occurred_at": event.occurred_at,
        "shopper": event.shopper,
        "session": event.session,
        "item": event.item,
        "quantity": event.quantity,
        "value": event.value,
        "currency": currency[event.item or ""] if event.value is not None else None,
        "query": event.query,
        "rating": event.rating,
        "text": event.text,
    }
    return {name: value for name, value in fields.items() if value is not None}
