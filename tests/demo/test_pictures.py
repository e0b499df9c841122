"""The drawn pictures: well-formed, small, self-contained, in the item's color."""

from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from demo.colors import colors
from demo.course_catalog import academy_items, academy_listings
from demo.pictures import DRAWINGS, KEY_DARK, KEY_DEEP, KEY_LIGHT, KEY_MAIN, KEY_PALE, picture
from demo.shop_catalog import shop_items, shop_listings

SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {"path", "circle", "ellipse", "rect"}
PICTURES = {item.external_id: picture(item.external_id) for item in shop_items() + academy_items()}
TREES: dict[str, Element] = {item_id: fromstring(svg) for item_id, svg in PICTURES.items()}


def test_every_item_has_a_well_formed_picture_under_4_kb() -> None:
    for item_id, tree in TREES.items():
        assert tree.tag == f"{SVG}svg", item_id
        assert tree.get("viewBox") == "0 0 400 400", item_id
        assert len(PICTURES[item_id].encode()) < 4096, item_id


def test_a_picture_refers_to_nothing_outside_and_runs_nothing() -> None:
    for item_id, tree in TREES.items():
        for element in tree.iter():
            assert element.tag.removeprefix(SVG) not in {"image", "use", "script", "style"}
            for name, value in element.attrib.items():
                assert not name.startswith("on"), item_id
                assert "href" not in name, item_id
                assert "url(" not in value or value == "url(#demo-shadow)", item_id


def test_every_path_of_a_picture_has_coordinates_and_every_shape_paint() -> None:
    for item_id, tree in TREES.items():
        shapes = [each for each in tree.iter() if each.tag.removeprefix(SVG) in SHAPES]
        assert len(shapes) > 4, item_id
        assert all(shape.get("fill") for shape in shapes), item_id
        for shape in shapes:
            assert shape.tag != f"{SVG}path" or shape.get("d", "").startswith("M"), item_id


def test_no_key_color_of_a_drawing_is_left_in_a_picture() -> None:
    for item_id, svg in PICTURES.items():
        for key in (KEY_MAIN, KEY_DARK, KEY_LIGHT, KEY_PALE, KEY_DEEP):
            assert key not in svg, item_id


def test_the_colors_of_a_family_show_in_its_pictures() -> None:
    shown = 0
    for listing in shop_listings():
        if listing.item.group_id:
            shown += colors()[listing.color].hex in PICTURES[listing.item.external_id]
    families = sum(listing.item.group_id is not None for listing in shop_listings())
    assert shown > 0.97 * families  # some things, such as a mitten's snow, have no main color


def test_drawings_differ_by_what_is_sold() -> None:
    drawings = {listing.model.drawing for listing in shop_listings()}
    assert len(drawings) >= 150
    by_type: dict[str, set[str]] = {}
    for listing in shop_listings():
        by_type.setdefault(listing.product_type.key, set()).add(listing.model.drawing)
    assert all(by_type.values())


def test_every_drawing_file_is_used() -> None:
    used = {listing.model.drawing for listing in shop_listings()}
    used |= {drawing for listing in academy_listings() for drawing in listing.track.drawings}
    assert used == {file.stem for file in DRAWINGS.glob("*.svg")}


def test_no_two_items_look_exactly_alike_but_for_their_backdrop() -> None:
    assert len(set(PICTURES.values())) > 0.95 * len(PICTURES)


def test_an_unknown_item_has_no_picture() -> None:
    with pytest.raises(KeyError):
        picture("no-such-item")
