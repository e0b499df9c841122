"""What the merchant links speaks for variants too, and costs a shop without links nothing."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.links import Link, find_links
from catalog.models import ItemLink
from tests.make import make_item

pytestmark = pytest.mark.usefixtures("tenant")


def test_links_of_a_groups_head_speak_for_its_variants() -> None:
    head = make_item("HEAD", title="Head", group_id="HEAD", available=False)
    small = make_item("H-S", title="Small", group_id="HEAD")
    large = make_item("H-L", title="Large", group_id="HEAD", stock=0)
    other_head = make_item("SOCK", group_id="SOCK", available=False)
    sock = make_item("SOCK-1", group_id="SOCK")
    alone = make_item("BAG")
    ItemLink.objects.create(item=head, linked=other_head, kind="cross_sell", position=1)
    ItemLink.objects.create(item=small, linked=alone, kind="related")
    assert find_links([large.pk]) == [
        Link(large.pk, "Large", alone.pk, "related", 0),
        Link(large.pk, "Large", sock.pk, "cross_sell", 1),
    ]
    assert find_links([small.pk, alone.pk], ["cross_sell"]) == [
        Link(small.pk, "Small", sock.pk, "cross_sell", 1)
    ]
    assert find_links([]) == []


def test_nothing_leads_to_what_is_no_longer_listed_or_to_itself() -> None:
    red, blue = make_item(group_id="SHIRT"), make_item(group_id="SHIRT")
    gone = make_item(available=False)
    ItemLink.objects.create(item=red, linked=gone, kind="related")
    ItemLink.objects.create(item=red, linked=blue, kind="related")
    assert [link.linked for link in find_links([red.pk])] == [blue.pk]
    assert [link.linked for link in find_links([blue.pk])] == [red.pk]


def test_a_shop_without_links_is_not_asked_again_and_the_first_link_holds_at_once() -> None:
    tent, stove = make_item(), make_item()
    assert find_links([tent.pk]) == []
    with CaptureQueriesContext(connection) as queries:
        assert find_links([tent.pk]) == []
    assert len(queries) == 0
    link = ItemLink.objects.create(item=tent, linked=stove, kind="related")
    assert [found.linked for found in find_links([tent.pk])] == [stove.pk]
    link.delete()
    assert find_links([tent.pk]) == []
