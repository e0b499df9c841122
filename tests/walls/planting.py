"""What is planted in both tenants: a row of everything, recognizable by the tenant's marker."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from django.apps import apps
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.db.models import Model
from django.utils import timezone
from django_tenants.utils import schema_context

from catalog.embedding import content_hash
from catalog.models import (
    EMBEDDING_DIMENSIONS,
    FeedImport,
    Item,
    ItemEmbedding,
    ItemLink,
    ItemRating,
)
from catalog.quality.models import PriceRange
from catalog.search_models import SearchPhrase, SearchVocabulary
from profiles.ingest import record_events
from profiles.models import Identity, PrivacyRequest, RequestStep, Shopper
from recommendations.models import (
    CircumstanceItems,
    Decision,
    ItemPairs,
    Placement,
    PreparedSlate,
    RankerVersion,
)
from recommendations.placements import ensure_default_placements
from recommendations.training.recipe import Recipe
from tenants.connection import connection
from tenants.database.roles import as_owner
from tenants.keys import mint_key
from tenants.models import KeptAnswer, StaffUser, Tenant, Tombstone
from tests.staff import one_of_each

M = TypeVar("M", bound=Model)

# Sessions come with signing in; a permission given to one person is Django's own business.
MADE_ELSEWHERE = frozenset(
    {"sessions.Session", "tenants.StaffUser_user_permissions", "auth.Group_permissions"}
)


@dataclass(frozen=True)
class Planted:
    """One tenant's rows by model, and a key of every scope. `marker` is in every text of them."""

    tenant: Tenant
    marker: str
    key: str
    rows: dict[type[Model], Model] = field(repr=False)

    def row(self, model: type[M]) -> M:
        row = self.rows[model]
        assert isinstance(row, model)
        return row

    @property
    def host(self) -> str:
        return f"{self.tenant.schema_name}.localhost"

    @property
    def item(self) -> str:
        return self.row(Item).external_id

    @property
    def shopper(self) -> str:
        return self.row(Shopper).external_id or ""

    @property
    def decision(self) -> str:
        return str(self.row(Decision).pk)


def plant(tenant: Tenant, *, first_id: int) -> Planted:
    """Fill every table of the tenant; numeric ids begin at `first_id`, so that they tell whose
    row is meant."""
    marker = f"Quokka{tenant.schema_name}"
    with schema_context(tenant.schema_name):
        _restart_sequences(tenant.schema_name, first_id)
        rows = one_of_each(marker)
        item, staff = rows[Item], rows[StaffUser]
        assert isinstance(item, Item)
        assert isinstance(staff, StaffUser)
        rows[ItemEmbedding] = ItemEmbedding.objects.create(
            item=item,
            model_version="planted",
            content_hash=content_hash(marker),
            vector=[1.0] + [0.0] * (EMBEDDING_DIMENSIONS - 1),
        )
        rows |= _catalog_rows(item, marker)
        rows[SearchPhrase] = SearchPhrase.objects.create(
            kind="brand", text=f"{marker} phrase", folded=f"{marker} phrase".lower()
        )
        rows[SearchVocabulary] = SearchVocabulary.objects.create(
            terms=[["attributes.color", f"{marker} color", 1, 1.0]], currencies=["EUR"]
        )
        record_events(
            [
                {
                    "kind": "search",
                    "anonymous": f"{marker}-device",
                    "query": f"{marker} query",
                    "idempotency_key": f"{marker}-key",
                }
            ]
        )
        rows[Identity] = Identity.objects.get(value=f"{marker}-device")
        ranker = rows[RankerVersion]
        rows[ItemPairs] = ItemPairs.objects.create(
            ranker_id=ranker.pk, item=item, others=b"", counts=b"", popularity=1.0
        )
        assert isinstance(ranker, RankerVersion)
        ranker.params = Recipe().as_json()
        ranker.save()
        rows[CircumstanceItems] = CircumstanceItems.objects.create(
            dimension="referrer", value=f"{marker} referrer", item_ids=[item.pk], weights=[0.05]
        )
        ensure_default_placements()
        shopper = rows[Shopper]
        assert isinstance(shopper, Shopper)
        shopper.traits = {"size": f"{marker} trait"}
        shopper.save()
        request = rows[PrivacyRequest]
        assert isinstance(request, PrivacyRequest)
        rows[RequestStep] = RequestStep.objects.create(
            request=request, position=0, store=f"{marker} store", found=1
        )
        rows[Tombstone] = Tombstone.objects.create(digest=f"{marker} digest")
        rows[PreparedSlate] = PreparedSlate.objects.create(
            shopper=shopper,
            page=f"{marker}-page",
            version="-",
            generation="-",
            good_until=timezone.now() + timedelta(days=1),
            items=[item.pk],
            offers=[""],
            shown=f'[{{"title": "{marker}"}}]',
            noted="{}",
        )
        feed = rows[FeedImport]
        assert isinstance(feed, FeedImport)
        feed.options = {"currency": "EUR"}
        feed.file.save(
            "feed.csv", ContentFile(f"id,title,price\n{marker}-fed,{marker} fed,1\n".encode())
        )
        Placement.objects.get(code=f"{marker}-home").static_items.add(item)
        staff.groups.add(*Group.objects.all())
        rows[LogEntry] = LogEntry.objects.create(
            user=staff, action_flag=ADDITION, object_repr=f"{marker} entry"
        )
        api_key, key = mint_key(f"{marker} server")
        rows[KeptAnswer] = KeptAnswer.objects.create(
            api_key=api_key, digest=f"{marker} digest", asked=f"{marker} asked"
        )
    return Planted(tenant, marker, key, rows)


def _catalog_rows(item: Item, marker: str) -> dict[type[Model], Model]:
    """What is known of an item, and what is made of the whole catalog."""
    rows: tuple[Model, ...] = (
        ItemRating.objects.create(item=item, count=1, average=4),
        ItemLink.objects.create(item=item, linked=item, kind="related"),
        PriceRange.objects.create(
            category=f"{marker} category", currency="EUR", items=9, median=1.0, spread=0.2
        ),
    )
    return {type(row): row for row in rows}


def tenant_models() -> Iterator[type[Model]]:
    """Every model whose rows a tenant has, joining tables included."""
    ours = {"tenants", "catalog", "profiles", "recommendations", "auth", "admin"}
    public = {"tenants.Tenant", "tenants.Domain", "tenants.AuditSeal", "auth.Permission"}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.app_label in ours and model._meta.label not in public | MADE_ELSEWHERE:
            yield model


def _restart_sequences(schema: str, first: int) -> None:
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SELECT sequencename FROM pg_sequences WHERE schemaname = %s", [schema])
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER SEQUENCE "{schema}"."{name}" RESTART WITH {first}')
