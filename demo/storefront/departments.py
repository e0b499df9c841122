"""The departments of a store, and what is in them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, F, QuerySet, Value, When, Window
from django.db.models.functions import Coalesce, NullIf, RowNumber
from django.utils.text import slugify

from catalog.models import Item
from catalog.pictures import first_picture
from demo.storefront.tiles import Tile, tile_of

CACHE_KEY = "demo:departments"
CACHED_FOR = timedelta(minutes=5)
TILES_A_PAGE = 24


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a department: the second level of the category path."""

    name: str
    slug: str


@dataclass(frozen=True, slots=True)
class Department:
    """The first level of the category path. `picture` is that of one of its items."""

    name: str
    slug: str
    items: int
    picture: str
    sections: tuple[Section, ...]


def departments() -> tuple[Department, ...]:
    """The departments with anything to sell, the largest first. One cache read, or two queries."""
    found: tuple[Department, ...] | None = cache.get(CACHE_KEY)
    if found is None:
        found = _read_departments()
        cache.set(CACHE_KEY, found, CACHED_FOR.total_seconds())
    return found


def find_department(slug: str) -> Department | None:
    return next((each for each in departments() if each.slug == slug), None)


def department_of(item: Item) -> Department | None:
    path = item.category_path
    return find_department(slugify(path[0])) if path else None


def page_of_tiles(
    department: Department, *, section: Section | None, page: str | None
) -> tuple[Page[Any], list[Tile]]:
    """One page of a department, best sellers first and one tile for all colors of a thing.

    A page number that is none, or beyond the last, gives the nearest page there is.
    """
    listed = _listed().filter(category_path__0=department.name)
    if section is not None:
        listed = listed.filter(category_path__1=section.name)
    thing = Coalesce(NullIf("group_id", Value("")), "external_id")
    sold_out = Case(When(offer__stock=0, then=1), default=0)
    items = (
        listed.annotate(
            # Each thing is shown once, in its first color that is in stock.
            place=Window(RowNumber(), partition_by=thing, order_by=[sold_out, F("id")]),
            colors=Window(Count("pk"), partition_by=thing),
        )
        .filter(place=1)
        .select_related("offer")
        .order_by(F("facts__popularity").desc(nulls_last=True), "id")
    )
    shown = Paginator(items, TILES_A_PAGE).get_page(page)
    return shown, [tile_of(item, more_colors=item.colors - 1) for item in shown]


def _listed() -> QuerySet[Item]:
    return Item.objects.filter(available=True, archived_at=None)


def _read_departments() -> tuple[Department, ...]:
    counts = (
        _listed()
        .filter(category_path__len__gt=0)
        .order_by()
        .values_list("category_path__0", "category_path__1")
        .annotate(items=Count("pk"))
    )
    items: dict[str, int] = {}
    sections: dict[str, dict[str, Section]] = {}
    for name, section, count in counts.order_by("category_path__0", "-items"):
        items[name] = items.get(name, 0) + count
        if section:
            sections.setdefault(name, {})[slugify(section)] = Section(section, slugify(section))
    best_sellers = (
        _listed()
        .filter(category_path__len__gt=0)
        .annotate(
            department=F("category_path__0"),
            place=Window(
                RowNumber(),
                partition_by=F("category_path__0"),
                order_by=[F("facts__popularity").desc(nulls_last=True), F("id")],
            ),
        )
        .filter(place=1)
    )
    pictures = dict(best_sellers.values_list("department", "images"))
    return tuple(
        Department(
            name=name,
            slug=slugify(name),
            items=items[name],
            picture=first_picture(pictures.get(name, ())),
            sections=tuple(sections.get(name, {}).values()),
        )
        for name in sorted(items, key=lambda name: (-items[name], name))
    )
