"""Loading the demo stores, through the command and from an empty database."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_tenants.utils import get_public_schema_name, schema_context

from catalog.models import FeedContent, FeedImport, Item, ItemEmbedding, Review
from catalog.quality.models import ItemQuality
from demo.credentials import demo_file
from demo.generated import academy_data, introduced, shop_data
from demo.loading import StoreData, load_store
from demo.marks import LOADED, DemoNotLoaded, is_loaded, mark
from demo.storefront.visitor import featured_shoppers
from demo.stores import ACADEMY, SHOP, Store
from profiles.consent import consents_of, permitted_events, permitted_states
from profiles.identity import get_shopper
from profiles.models import Purpose, Shopper
from recommendations.models import MerchandisingRule, RankerVersion
from tenants.closing import close_tenant
from tenants.keys import find_key_holder
from tenants.models import ApiKey, StaffUser, Tenant
from tenants.opening import open_tenant
from tests.demo.small_store import CAMPER, COOK, NEWCOMER, REFUSER, small_data, small_store

STORE = small_store("small_demo", "small-demo.localhost")


@pytest.fixture(autouse=True)
def _empty_cache(db: None) -> Iterator[None]:
    """Hosts and placements that a test made known are forgotten with its rows."""
    cache.clear()
    with schema_context(get_public_schema_name()):
        yield
    cache.clear()


@pytest.fixture
def demo_json(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Path:
    """The command loads one small store, and writes its file to a folder of the test's."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr("demo.management.commands.load_demo.STORES", (STORE,))
    monkeypatch.setattr("demo.generated.DATA", {STORE.schema: small_data})
    return demo_file()


def step(_what: str) -> AbstractContextManager[None]:
    return nullcontext()


def load(store: Store = STORE, data: Callable[[datetime], StoreData] = small_data) -> None:
    load_store(store, data, now=timezone.now(), step=step)


def open_as_loaded() -> None:
    """What the command takes for a loaded store, without the time it takes to fill one."""
    open_tenant(schema_name=STORE.schema, name=STORE.name, host=STORE.host)
    mark(STORE, LOADED)


def counts() -> dict[str, int]:
    with schema_context(STORE.schema):
        return {
            "items": Item.objects.count(),
            "shoppers": Shopper.objects.count(),
            "events": permitted_events(Purpose.PERSONALIZATION).count(),
            "rankers": RankerVersion.objects.count(),
            "keys": ApiKey.objects.count(),
            "staff": StaffUser.objects.count(),
        }


def only_tenant(path: Path) -> dict[str, str]:
    (tenant,) = json.loads(path.read_text())["tenants"]
    return dict(tenant)


def test_a_store_is_filled_through_the_products_own_doors() -> None:
    load()
    assert is_loaded(STORE)
    with schema_context(STORE.schema):
        feed_import = FeedImport.objects.get(content=FeedContent.ITEMS)
        assert Review.objects.count() > 20
        assert ItemQuality.objects.count() == Item.objects.count()
        assert (feed_import.status, feed_import.created, feed_import.failed) == ("done", 50, 0)
        item = Item.objects.select_related("offer").latest("pk")
        assert item.images == [f"/demo/pictures/{item.external_id}.svg"]
        assert item.address == f"/items/{item.external_id}/"
        assert ItemEmbedding.objects.count() == 50

        assert [s.external_id for s in featured_shoppers()] == [CAMPER, COOK, REFUSER]
        assert consents_of(get_shopper(CAMPER))["personalization"] is True
        assert consents_of(get_shopper(REFUSER)) == {
            "personalization": False,
            "analytics": True,
            "marketing": False,
            "language_model": False,
            "research": False,
        }
        # 40 shoppers with 30 events each, of whom one keeps what they did to themselves.
        assert permitted_events(Purpose.PERSONALIZATION).count() == 39 * 30
        assert permitted_events(Purpose.ANALYTICS).count() == 40 * 30
        states = permitted_states(Purpose.PERSONALIZATION)
        assert states.exclude(history=[]).count() == 39
        assert states.get(history=[]).shopper.external_id == NEWCOMER

        assert RankerVersion.objects.live().get().events == 39 * 30
        assert set(MerchandisingRule.objects.values_list("kind", "placements__code")) == {
            ("pin", "home"),
            ("boost", None),
        }


def test_a_second_load_changes_nothing_but_the_port(demo_json: Path) -> None:
    call_command("load_demo", port=8000)
    first, filled = only_tenant(demo_json), counts()
    assert demo_json.stat().st_mode & 0o777 == 0o600
    assert json.loads(demo_json.read_text())["base_url"] == "http://localhost:8000"
    assert first["admin_url"] == "http://small-demo.localhost:8000/admin/"
    assert (first["shopper_with_history"], first["new_shopper"]) == (CAMPER, NEWCOMER)

    call_command("load_demo", port=8123)
    second = only_tenant(demo_json)
    assert counts() == filled
    assert second.pop("admin_url") == "http://small-demo.localhost:8123/admin/"
    assert second == {name: value for name, value in first.items() if name != "admin_url"}
    with schema_context(STORE.schema):
        assert find_key_holder(second["secret_key"]) is not None
        admin = StaffUser.objects.get(username=second["admin_user"])
        assert admin.is_superuser
        assert admin.check_password(second["admin_password"])


def test_a_lost_file_is_written_anew_with_a_new_key_and_password(demo_json: Path) -> None:
    open_as_loaded()
    call_command("load_demo", port=8000)
    lost = only_tenant(demo_json)
    demo_json.unlink()

    call_command("load_demo", port=8000)
    made = only_tenant(demo_json)
    with schema_context(STORE.schema):
        assert find_key_holder(lost["secret_key"]) is None
        assert find_key_holder(made["secret_key"]) is not None
        admin = StaffUser.objects.get(username="admin")
        assert not admin.check_password(lost["admin_password"])
        assert admin.check_password(made["admin_password"])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tenants": 3}', '{"tenants": ["x"]}'])
def test_a_broken_file_counts_as_lost(demo_json: Path, content: str) -> None:
    open_as_loaded()
    demo_json.write_text(content)
    call_command("load_demo", port=8000)
    with schema_context(STORE.schema):
        assert find_key_holder(only_tenant(demo_json)["secret_key"]) is not None


def test_an_interrupted_load_is_begun_anew() -> None:
    def broken_data(now: datetime) -> StoreData:
        data = small_data(now)
        unknown = replace(data.events[0], item="nothing-of-the-kind")
        return replace(data, events=[*data.events, unknown])

    with pytest.raises(DemoNotLoaded, match="nothing-of-the-kind"):
        load(data=broken_data)
    with schema_context(STORE.schema):
        assert Item.objects.count() == 50  # the load came as far as this
    assert not is_loaded(STORE)

    load()
    assert is_loaded(STORE)
    with schema_context(STORE.schema):
        assert permitted_events(Purpose.ANALYTICS).count() == 40 * 30


def test_a_refused_catalog_stops_the_load() -> None:
    def priceless_data(now: datetime) -> StoreData:
        data = small_data(now)
        return replace(data, items=[replace(data.items[0], title=""), *data.items[1:]])

    with pytest.raises(DemoNotLoaded, match="no title"):
        load(data=priceless_data)
    assert not is_loaded(STORE)


def test_a_tenant_that_is_not_the_demos_is_left_alone(demo_json: Path) -> None:
    tenant = open_tenant(schema_name=STORE.schema, name="A real shop", host=STORE.host)
    with pytest.raises(CommandError, match="close_tenant small_demo"):
        call_command("load_demo", port=8000)
    assert Tenant.objects.get(pk=tenant.pk).name == "A real shop"
    assert not demo_json.exists()

    close_tenant(tenant)
    call_command("load_demo", port=8000)
    assert is_loaded(STORE)


def test_without_the_setting_there_is_no_demo_to_load(settings: Any) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="ATTUNE_DEMO=1"):
        call_command("load_demo")


@pytest.mark.parametrize(("store", "make"), [(SHOP, shop_data), (ACADEMY, academy_data)])
def test_the_stores_introduce_shoppers_with_different_tastes(
    store: Store, make: Callable[[datetime], StoreData]
) -> None:
    data = make(datetime.fromisoformat("2025-05-05T10:00:00+00:00"))
    shoppers = {shopper.external_id: shopper for shopper in data.shoppers}
    shown = [shoppers[external_id] for external_id in data.featured]
    assert data.featured == introduced(data.shoppers, data.events)
    assert len(set(data.featured)) == 7, store.name
    assert ["personalization" in shopper.granted for shopper in shown] == [True] * 6 + [False]
    favorites = [
        max((weight, path) for path, weight in s.taste.interests.items())[1][0] for s in shown[:6]
    ]
    assert len(set(favorites)) == 6
    items = {item.external_id: item for item in data.items}
    for rule in data.rules:
        assert not rule.item or items[rule.item].stock
