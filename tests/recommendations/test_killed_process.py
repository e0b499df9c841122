"""What a killed web process had answered is kept, but for what its outbox still held."""

import time

import redis

from config.embedded import launcher
from recommendations.outbox import SENT_EVERY
from tests.config.embedded_servers import eventually
from tests.recommendations.running_shop import RunningShop, running_shop

ANSWERS = 60
PATIENCE = 1.0
"""Seconds of a busy machine on top of what the outbox promises."""


def buffered(shop: RunningShop) -> int:
    found = launcher.addresses(shop.var)
    assert found is not None
    return int(redis.Redis.from_url(found.redis_url).llen("real:decisions"))


def test_of_a_killed_process_only_the_last_moments_answers_are_lost() -> None:
    with running_shop() as shop:
        before = {shop.slate(limit="3").json()["decision"] for _ in range(ANSWERS)}
        time.sleep(SENT_EVERY.total_seconds() + PATIENCE)
        # Not yet sent, when the process dies in the middle of it.
        last = [shop.slate(limit="3").json()["decision"] for _ in range(5)]
        shop.kill_web()
        assert ANSWERS <= buffered(shop) <= ANSWERS + len(last)
        written = shop.write_decisions()
        assert before <= written, "older than the outbox holds anything back"
        assert written <= before | set(last), "and nothing twice, or made up"


def test_a_process_that_is_told_to_end_loses_nothing() -> None:
    with running_shop() as shop:
        answered = {shop.slate(limit="3").json()["decision"] for _ in range(10)}
        shop.web.terminate()
        shop.web.wait(timeout=15)
        assert eventually(lambda: buffered(shop) == 10)
        assert shop.write_decisions() == answered
