"""What the demo academy teaches: subjects and their tracks, read from the vocabulary files."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

ACADEMY_VOCABULARY = Path(__file__).parent / "vocabulary" / "academy"
SUBJECTS = (
    "programming",
    "data",
    "design",
    "languages",
    "music",
    "cooking",
    "photography",
    "business",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What all tracks of one subject share."""

    name: str
    lesson_says: tuple[str, ...]
    plan_says: tuple[str, ...]
    praise: tuple[str, ...]
    gripe: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """A plan of several weeks."""

    title: str
    text: str
    price: Decimal
    hours: int


@dataclass(frozen=True, slots=True)
class Sitting:
    """What is taken in one sitting: a lesson to follow or an article to read."""

    title: str
    text: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Track:
    """A shelf of the academy: a plan, the lessons it is made of, sometimes an article."""

    subject: Subject
    shelf: str
    level: str
    instructor: str
    about_instructor: str
    queries: tuple[str, ...]
    drawings: tuple[str, ...]
    leads_to: tuple[str, ...]
    """Shelves that learners turn to next."""
    plan: Course
    lessons: tuple[Sitting, ...]
    article: Sitting | None

    @property
    def path(self) -> tuple[str, ...]:
        """The category path of its items."""
        return (self.subject.name, self.shelf)


@dataclass(frozen=True, slots=True)
class Formats:
    """Sentences for every subject."""

    article_says: tuple[str, ...]
    part_of: tuple[str, ...]
    """Templates that name the `plan` and the `number` of the lesson in it."""
    level: Mapping[str, tuple[str, ...]]


@cache
def tracks() -> tuple[Track, ...]:
    """Every track, subject by subject."""
    return tuple(track for name in SUBJECTS for track in _tracks_of(_read(name)))


@cache
def formats() -> Formats:
    """The sentences that fit lessons, plans and articles of any subject."""
    entry = _read("formats")
    return Formats(
        article_says=tuple(entry["article_says"]),
        part_of=tuple(entry["part_of"]),
        level={name: tuple(sentences) for name, sentences in entry["level"].items()},
    )


def _tracks_of(entry: dict[str, Any]) -> list[Track]:
    about, leads_to = _read("instructors"), _read("paths")
    subject = Subject(
        name=entry["subject"],
        lesson_says=tuple(entry["lesson_says"]),
        plan_says=tuple(entry["plan_says"]),
        praise=tuple(entry["praise"]),
        gripe=tuple(entry["gripe"]),
    )
    return [
        Track(
            subject=subject,
            shelf=track["shelf"],
            level=track["level"],
            instructor=track["instructor"],
            about_instructor=about[track["instructor"]],
            queries=tuple(track["queries"]),
            drawings=tuple(track.get("drawings", entry["drawings"])),
            leads_to=tuple(leads_to[track["shelf"]]),
            plan=Course(**track["plan"] | {"price": Decimal(track["plan"]["price"])}),
            lessons=tuple(Sitting(**lesson) for lesson in track["lessons"]),
            article=Sitting(**track["article"]) if "article" in track else None,
        )
        for track in entry["track"]
    ]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((ACADEMY_VOCABULARY / f"{name}.toml").read_text(encoding="utf-8"))
