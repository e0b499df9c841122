"""What other shops export comes in by the ordinary column maps, as docs/feeds.md says."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Count
from django.utils import timezone

from catalog.importing import run_import
from catalog.models import FeedContent, FeedImport, Item, ItemLink, ItemRating, Review
from catalog.quality.refresh import check_catalog

pytestmark = pytest.mark.usefixtures("tenant")

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not (DATA / "magento-luma").is_dir(), reason="the data of other shops is not here"
)

MAGENTO: dict[str, Any] = {
    "currency": "USD",
    "language": "en",
    "category_separator": "/",
    "category_list_separator": ",",
    "category_root": "Default Category",
    "image_base": "https://shop.example/media/catalog/product",
}
GEAR: dict[str, Any] = {"currency": "USD", "list_separator": "\n", "category_separator": "\n"}
DEMO_STORE = {
    "id": "external_id",
    "name": "title",
    "category": "category_path",
    "style": "category_path",
    "description": "description",
    "price": "price",
    "current_stock": "stock",
    "image": "images",
    "gender_affinity": "attribute:gender",
}

HEADER = (
    "sku,product_type,categories,name,description,price,base_image,additional_attributes,qty,"
    "is_in_stock,configurable_variations,additional_images\n"
)
SIMPLE = (
    '{sku},simple,"Default Category/Men/Tops,Default Category",Hoodie-{size},<p>Warm.</p>,52,'
    '/m/h.jpg,"has_options=0,size={size},color=Black",{qty},1,,\n'
)
HEAD = (
    'MH01,configurable,"Default Category/Men/Tops,Default Category",Hoodie,<p>Warm.</p>,52,'
    '/m/h.jpg,"climate=Cool|Indoor,material=Wool",0,1,'
    '"sku=MH01-S,size=S,color=Black|sku=MH01-M,size=M,color=Black","/m/a.jpg,/m/b.jpg"\n'
)
YAML = """\
- id: 6579c22f
  current_stock: 15
  name: Expedition Backpack
  category: accessories
  style: backpack
  description: Embark on your next outdoor journey with our rugged
    backpack.
  price: 129.99
  image: 6579c22f.jpg
  gender_affinity: F
  where_visible: UI
"""


def imported(
    data: bytes, feed_format: str = "csv", content: str = "items", **fields: Any
) -> FeedImport:
    feed_import = FeedImport.objects.create(
        content=content, format=feed_format, file_name="export", **fields
    )
    run_import(feed_import, io.BytesIO(data))
    feed_import.refresh_from_db()
    assert feed_import.status == FeedImport.Status.DONE, feed_import.failure
    return feed_import


def magento(*rows: str, **fields: Any) -> FeedImport:
    return imported((HEADER + "".join(rows)).encode(), options=MAGENTO, **fields)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1)])
def test_magentos_configurable_product_groups_its_variants_wherever_it_stands(
    order: tuple[int, ...],
) -> None:
    rows = (
        SIMPLE.format(sku="MH01-S", size="S", qty=3),
        SIMPLE.format(sku="MH01-M", size="M", qty=0),
        HEAD,
    )
    feed_import = magento(*(rows[n] for n in order))
    assert (feed_import.created, feed_import.failed) == (3, 0)
    items = {item.external_id: item for item in Item.objects.all()}
    assert {item.group_id for item in items.values()} == {"MH01"}
    assert items["MH01-S"].category_path == ["Men", "Tops"]
    assert items["MH01-S"].attributes["size"] == "S"
    assert items["MH01"].attributes["climate"] == ["Cool", "Indoor"]
    assert len(items["MH01"].images) == 3
    assert list(Item.objects.recommendable()) == [items["MH01-S"]], "the head is not sold itself"
    again = magento(*rows)
    assert (again.unchanged, again.updated) == (3, 0)


def test_a_head_that_comes_later_groups_the_variants_that_are_there() -> None:
    magento(SIMPLE.format(sku="MH01-S", size="S", qty=3), SIMPLE.format(sku="X", size="S", qty=3))
    magento(HEAD)
    assert set(Item.objects.filter(group_id="MH01").values_list("external_id", flat=True)) == {
        "MH01", "MH01-S",
    }  # fmt: skip


def test_a_parent_column_of_any_usual_name_is_the_group() -> None:
    for number, name in enumerate(("parent_sku", "Parent ID", "item_group_id", "master_id")):
        imported(f"sku,name,price,{name}\nA{number},Shoe,5 EUR,SHOE\n".encode())
    assert set(Item.objects.values_list("group_id", flat=True)) == {"SHOE"}


def test_variations_may_be_a_plain_list() -> None:
    imported(
        b'sku,name,price,variations\nH,Shoe,5 EUR,"H-38,H-39"\nH-38,Shoe,5 EUR,\nH-39,Shoe,5 EUR,\n'
    )
    assert Item.objects.filter(group_id="H").count() == 3
    imported(
        b'{"sku": "T", "name": "Tee", "price": "5 EUR", "variations": ["T-S"]}\n'
        b'{"sku": "T-S", "name": "Tee", "price": "5 EUR"}\n',
        "jsonl",
    )
    assert Item.objects.filter(group_id="T").count() == 2


def test_the_demo_stores_yaml_is_read_by_a_column_map() -> None:
    imported(YAML.encode(), "yaml", columns=DEMO_STORE, options={"currency": "USD"})
    item = Item.objects.get()
    assert item.category_path == ["accessories", "backpack"]
    assert item.description.endswith("our rugged backpack.")
    assert (str(item.offer.price), item.offer.stock) == ("129.9900", 15)
    assert item.attributes == {"gender": "F"}


@needs_data
def test_all_of_the_magento_sample_comes_in() -> None:
    folder = DATA / "magento-luma"
    products = (folder / "ConfigurableSampleData__products.csv").read_bytes()
    feed_import = imported(products, options=MAGENTO)
    assert (feed_import.created, feed_import.failed) == (1994, 0)
    sizes = Item.objects.exclude(group_id="").values("group_id").annotate(items=Count("id"))
    assert sizes.count() == 147
    assert sum(row["items"] for row in sizes) == 1994
    for name in ("bags", "watches"):
        data = (folder / f"CatalogSampleData__SimpleProduct_products_gear_{name}.csv").read_bytes()
        gear = imported(data, options=GEAR)
        assert gear.created
        assert gear.failed == 0, list(gear.row_errors.values())
    reviews = (folder / "ReviewSampleData__products_reviews.csv").read_bytes()
    told = imported(reviews, content=FeedContent.REVIEWS)
    assert told.created == Review.objects.count() > 300
    assert told.created + told.failed == 500
    assert set(told.row_errors.values_list("code", flat=True)) == {"unknown_item"}
    assert imported(reviews, content=FeedContent.REVIEWS).unchanged == told.created
    rated = ItemRating.objects.exclude(item__group_id="").select_related("item")
    group = rated[0].item.group_id
    of_group = rated.filter(item__group_id=group)
    assert of_group.values("count", "average").distinct().count() == 1
    assert of_group.count() == Item.objects.filter(group_id=group).count() > 1
    links = (folder / "ConfigurableSampleData__Links_related.csv").read_bytes()
    linked = imported(links, content=FeedContent.LINKS)
    assert linked.failed == 0
    assert ItemLink.objects.count() == 393
    check_catalog(timezone.now())
    shown = Item.objects.recommendable().filter(group_id="MH01")
    assert shown.exists()
    assert not shown.filter(external_id="MH01").exists()


@needs_data
def test_all_of_the_demo_store_comes_in() -> None:
    data = (DATA / "retail-demo-store" / "products.yaml").read_bytes()
    feed_import = imported(
        data, "yaml", columns=DEMO_STORE, options={"currency": "USD", "image_base": "/images"}
    )
    assert (feed_import.created, feed_import.failed) == (2465, 0)
    check_catalog()
    scores = list(Item.objects.values_list("quality__score", flat=True))
    assert all(0 <= score <= 100 for score in scores)
