"""The generated shop is whole: every table that serving and search read, made alike each time."""

from collections import Counter
from itertools import islice

import pytest

from bench.generated_shop import host_of, make, schema_of
from bench.generated_words import item_words
from catalog.models import Item, ItemEmbedding, Offer
from profiles.models import Event, ShopperState
from recommendations.models import ItemNeighbors, RankerVersion
from tenants.closing import close_tenant
from tenants.connection import connection
from tenants.models import Tenant

ITEMS = 300


def test_the_first_items_are_the_same_whatever_the_size() -> None:
    few = list(item_words(50, seed=1))
    many = list(islice(item_words(500, seed=1), 50))
    assert few == many


def test_words_follow_a_power_law() -> None:
    said = Counter(
        word for words in item_words(500, seed=1) for word in words.description.lower().split()
    )
    counts = sorted(said.values(), reverse=True)
    once = sum(1 for count in counts if count == 1)
    assert once > len(counts) / 4  # a long tail
    assert counts[0] > 50 * counts[len(counts) // 2]  # below a short head


@pytest.mark.usefixtures("committed_tenants")
def test_a_shop_has_every_row_that_serving_reads(django_db_blocker: pytest.FixtureRequest) -> None:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        try:
            make(ITEMS, shoppers=60)
            live = RankerVersion.objects.live().get()
            assert Item.objects.count() == ITEMS
            assert Offer.objects.filter(stock=0).exists()
            assert ItemEmbedding.objects.count() == ITEMS
            assert ItemNeighbors.objects.filter(ranker=live).count() == ITEMS
            assert Event.stored.count() == 60 * 40
            assert ShopperState.stored.exclude(history=[]).count() == 60
            again = RankerVersion.objects.count()
            make(ITEMS, shoppers=60)
            assert RankerVersion.objects.count() == again  # made once
            assert host_of(ITEMS) == "generated-300.localhost"
        finally:
            connection.set_schema_to_public()
            close_tenant(Tenant.objects.get(schema_name=schema_of(ITEMS)))
