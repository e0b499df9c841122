"""What the demo academy offers: over 200 plans, lessons and articles, the same on every run."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from demo.chance import chance, pick
from demo.course_tracks import Sitting, Track, formats, tracks
from demo.descriptions import describe
from demo.shop_catalog import CURRENCY, slug
from demo.values import AttributeValue, DemoItem, ItemKind

SHARE_OF_PLANS_ON_SALE = 0.2
LESSON_PRICES = (Decimal("4.90"), Decimal("6.90"), Decimal("9.90"), Decimal("14.90"))
FREE = Decimal("0.00")
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class CourseListing:
    """An item of the academy together with its track and place in it."""

    item: DemoItem
    track: Track
    position: int
    """0 for the plan, 1 and up for its lessons, after them the article."""


def academy_items() -> tuple[DemoItem, ...]:
    """Every item of the demo academy."""
    return tuple(listing.item for listing in academy_listings())


@cache
def academy_listings() -> tuple[CourseListing, ...]:
    """Every item of the academy together with its track."""
    return tuple(listing for track in tracks() for listing in _listings_of(track))


def _listings_of(track: Track) -> list[CourseListing]:
    items = [_plan(track)]
    items += [_lesson(track, lesson, number) for number, lesson in enumerate(track.lessons, 1)]
    if track.article:
        items.append(_article(track, track.article))
    return [CourseListing(item, track, position) for position, item in enumerate(items)]


def _plan(track: Track) -> DemoItem:
    external_id = slug(track.plan.title)
    rng = chance("academy item", external_id)
    price = track.plan.price
    on_sale = rng.random() < SHARE_OF_PLANS_ON_SALE
    # Courses cost whole euros: 149 becomes 119 or 99 rather than 119.20.
    sale_price = Decimal(int(price * Decimal(rng.uniform(0.65, 0.85)) / 10) * 10 - 1)
    return _item(
        track,
        kind="plan",
        title=track.plan.title,
        description=describe(
            track.plan.text,
            details=[*track.subject.plan_says, *formats().level[track.level]],
            closings=[f"Lessons: {'; '.join(lesson.title for lesson in track.lessons)}."],
            must_say=[track.about_instructor],
            rng=rng,
        ),
        attributes={"hours": track.plan.hours, "lessons": len(track.lessons)},
        price=price.quantize(CENT),
        sale_price=sale_price.quantize(CENT) if on_sale else None,
        cost=(price * Decimal(1 - rng.uniform(0.45, 0.60))).quantize(CENT),
    )


def _lesson(track: Track, lesson: Sitting, number: int) -> DemoItem:
    rng = chance("academy item", slug(lesson.title))
    # The first lesson of a track is open to everyone; the others cost more the longer they are.
    price = FREE if number == 1 else LESSON_PRICES[min(lesson.minutes // 15, 3)]
    part_of = pick(formats().part_of, rng).format(plan=track.plan.title, number=number)
    return _item(
        track,
        kind="lesson",
        title=lesson.title,
        description=describe(
            lesson.text,
            details=[*track.subject.lesson_says, *formats().level[track.level]],
            closings=[track.about_instructor],
            must_say=[part_of],
            rng=rng,
        ),
        attributes={
            "minutes": lesson.minutes,
            "lesson": number,
            "part_of": track.plan.title,
        },
        price=price,
        sale_price=None,
        cost=(price * Decimal("0.5")).quantize(CENT),
    )


def _article(track: Track, article: Sitting) -> DemoItem:
    return _item(
        track,
        kind="article",
        title=article.title,
        description=describe(
            article.text,
            details=formats().article_says,
            closings=formats().level[track.level],
            rng=chance("academy item", slug(article.title)),
        ),
        attributes={"minutes": article.minutes},
        price=FREE,
        sale_price=None,
        cost=FREE,
    )


def _item(
    track: Track,
    *,
    kind: ItemKind,
    title: str,
    description: str,
    attributes: dict[str, AttributeValue],
    price: Decimal,
    sale_price: Decimal | None,
    cost: Decimal,
) -> DemoItem:
    return DemoItem(
        external_id=slug(title),
        kind=kind,
        title=title,
        description=description,
        brand=track.instructor,
        category_path=track.path,
        attributes={"level": track.level, "instructor": track.instructor, **attributes},
        price=price,
        sale_price=sale_price,
        cost=cost,
        currency=CURRENCY,
        stock=None,
        language="en",
        group_id=None,
    )
