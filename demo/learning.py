"""What learners of the demo academy do in 120 days: try a lesson, go on, buy, move on."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from demo.attraction import drawn
from demo.chance import chance, pick
from demo.course_tracks import tracks
from demo.diary import Diary, Errand, Visit, without_surplus
from demo.reviews import review_text, some_rating
from demo.values import DemoEvent, DemoItem, DemoShopper

ACADEMY_EVENTS = 12_000
EVENTS_PER_VISIT = 2.8
"""A little less than a visit and what follows from it bring, so that views can be left out."""

SEARCHES, LOOKS_AT_PLAN, READS = 0.35, 0.65, 0.4
GOES_ON_WITH_TRACK, NEXT_LESSON_AT_ONCE = 0.65, 0.5
BUYS_PLAN, BUYS_LESSON, TAKES_OUT_AGAIN = 0.16, 0.6, 0.06
FOLLOWS_PATH = 0.7
WISHES, DISMISSES = 0.08, 0.03
RATES, RATES_PLAN, SENT_BACK = 0.12, 0.26, 0.04
LIKED_INSTRUCTOR = 2.0
POPULARITY_EXPONENT = 0.6


def academy_events(
    items: Sequence[DemoItem],
    shoppers: Sequence[DemoShopper],
    now: datetime,
    seed: int,
    count: int = ACADEMY_EVENTS,
) -> tuple[DemoEvent, ...]:
    """`count` events of the 120 days before the day of `now` (UTC), earliest first.

    The same for the same seed, items, shoppers and day. Raises ValueError for a `now` without
    a time zone.
    """
    diary = Diary(shoppers, now=now, rng=chance("academy visits", seed))
    learning = Learning(items, shoppers, diary, chance("learning", seed))
    diary.plan_visits(int(count / EVENTS_PER_VISIT))
    return without_surplus(diary.live(learning.carry_out), count, chance("surplus", seed))


class Learning:
    """The academy, its learners, and how far each of them has come."""

    def __init__(
        self,
        items: Sequence[DemoItem],
        shoppers: Sequence[DemoShopper],
        diary: Diary,
        rng: np.random.Generator,
    ) -> None:
        self._items = items
        self._diary = diary
        self._rng = rng
        self._tracks = tracks()
        number = {track.path: index for index, track in enumerate(self._tracks)}
        by_shelf = {track.shelf: index for index, track in enumerate(self._tracks)}
        self._leads_to = [[by_shelf[shelf] for shelf in track.leads_to] for track in self._tracks]
        self._plan: dict[int, int] = {}
        self._article: dict[int, int] = {}
        self._lessons: dict[int, list[int]] = {}
        for index, item in enumerate(items):
            track = number[item.category_path]
            if item.kind == "plan":
                self._plan[track] = index
            elif item.kind == "article":
                self._article[track] = index
            else:
                self._lessons.setdefault(track, []).append(index)
        popularity = (rng.permutation(len(self._tracks)) + 3.0) ** -POPULARITY_EXPONENT
        self._interest = np.array(
            [
                [
                    shopper.taste.interests.get(track.path, 0.0)
                    * (LIKED_INSTRUCTOR if track.instructor in shopper.taste.brands else 1.0)
                    for track in self._tracks
                ]
                for shopper in shoppers
            ]
        )
        self._interest *= popularity
        self._current: list[int | None] = [None for _ in shoppers]
        self._taken: list[dict[int, int]] = [{} for _ in shoppers]
        """Per learner, how many lessons of a track they have taken."""
        self._owned: list[set[int]] = [set() for _ in shoppers]

    def carry_out(self, visit: Visit, shopper: int, errand: Errand) -> None:
        """Let the learner do what they came for."""
        match errand.aim:
            case "rate":
                self._rate(visit, errand.item)
            case "send back":
                visit.note("return", self._items[errand.item], quantity=1)
            case _:
                self._look_around(visit, shopper)

    def _look_around(self, visit: Visit, shopper: int) -> None:
        track = self._current[shopper]
        if track is None or self._rng.random() > GOES_ON_WITH_TRACK:
            track = self._choose(visit, shopper, last=track)
            self._current[shopper] = track
        while self._take_lesson(visit, shopper, track):
            if self._rng.random() > NEXT_LESSON_AT_ONCE:
                return

    def _choose(self, visit: Visit, shopper: int, *, last: int | None) -> int:
        """Find a track: one that the last leads to, or one of the learner's own interests."""
        weights = self._interest[shopper]
        if last is not None and self._rng.random() < FOLLOWS_PATH:
            track = pick(self._leads_to[last], self._rng)
        else:
            track = drawn(weights, self._rng)
            if self._rng.random() < SEARCHES:
                visit.note("search", query=pick(self._tracks[track].queries, self._rng))
        if track in self._article and self._rng.random() < READS:
            visit.note("view", self._items[self._article[track]])
        if self._rng.random() < LOOKS_AT_PLAN:
            self._look_at_plan(visit, shopper, track)
        return track

    def _look_at_plan(self, visit: Visit, shopper: int, track: int) -> None:
        plan = self._plan[track]
        visit.note("view", self._items[plan])
        if plan in self._owned[shopper]:
            return
        draw = self._rng.random()
        if draw < BUYS_PLAN:
            self._buy(visit, shopper, plan)
        elif draw < BUYS_PLAN + WISHES:
            visit.note("wishlist", self._items[plan])
        elif draw < BUYS_PLAN + WISHES + DISMISSES:
            visit.note("dismiss", self._items[plan])

    def _take_lesson(self, visit: Visit, shopper: int, track: int) -> bool:
        """Take the next lesson of a track. False when there is none left, or it is not bought."""
        done = self._taken[shopper].get(track, 0)
        if done == len(self._lessons[track]):
            self._current[shopper] = self._choose(visit, shopper, last=track)
            return False
        lesson = self._lessons[track][done]
        visit.note("view", self._items[lesson])
        if not self._has(shopper, track, lesson):
            if self._rng.random() > BUYS_LESSON:
                return False
            # After a lesson or two many buy the whole course instead of the next lesson.
            buys_plan = self._rng.random() < BUYS_PLAN * (1 + done)
            self._buy(visit, shopper, self._plan[track] if buys_plan else lesson)
            if not self._has(shopper, track, lesson):
                return False
        self._taken[shopper][track] = done + 1
        if self._rng.random() < RATES:
            errand, days = Errand("rate", lesson), self._rng.uniform(1, 5)
            self._diary.plan(shopper, errand, after=visit.began, days=days)
        return True

    def _has(self, shopper: int, track: int, lesson: int) -> bool:
        owned = self._owned[shopper]
        return not self._items[lesson].price_now or lesson in owned or self._plan[track] in owned

    def _buy(self, visit: Visit, shopper: int, item: int) -> None:
        visit.note("add_to_cart", self._items[item], quantity=1)
        if self._rng.random() < TAKES_OUT_AGAIN:
            visit.note("remove_from_cart", self._items[item], quantity=1)
            return
        visit.note("purchase", self._items[item], quantity=1)
        self._owned[shopper].add(item)
        if self._items[item].kind == "plan":
            draw, days = self._rng.random(), self._rng.uniform(4, 13)
            if draw < SENT_BACK:
                errand = Errand("send back", item)
                self._diary.plan(shopper, errand, after=visit.began, days=days)
            elif draw < SENT_BACK + RATES_PLAN:
                self._diary.plan(shopper, Errand("rate", item), after=visit.began, days=days)

    def _rate(self, visit: Visit, item: int) -> None:
        rating = some_rating(self._rng)
        if self._rng.random() < 0.7:
            visit.note("rating", self._items[item], rating=rating)
        else:
            text = review_text(self._items[item].external_id, rating, self._rng)
            visit.note("review", self._items[item], rating=rating, text=text)
