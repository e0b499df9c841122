"""Events of a client that repeats what was not answered, while the web process is killed."""

import http.client
import random
import threading
from collections import Counter

from tests.recommendations.running_shop import RunningShop, running_shop

BATCHES, SIZE = 24, 100
KILLS = 2


def batch(number: int) -> dict[str, list[dict[str, str]]]:
    return {
        "events": [
            {
                "kind": "view",
                "shopper": f"s-{n % 7}",
                "session": f"v-{number}",
                "item": f"SKU-{n % 12}",
                "idempotency_key": f"k-{number}-{n}",
            }
            for n in range(SIZE)
        ]
    }


def stored(shop: RunningShop) -> tuple[int, int, int]:
    """Events of the batches, keys, and how often the states have counted a view."""
    row = shop.row(
        "SELECT (SELECT count(*) FROM profiles_event WHERE session_id IS NOT NULL),"
        " (SELECT count(*) FROM profiles_eventkey),"
        " (SELECT coalesce(sum((entry->>4)::int), 0) FROM profiles_shopperstate,"
        "  jsonb_array_elements(history) AS entry)"
    )
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


def test_nothing_is_lost_or_doubled_when_the_web_process_is_killed_and_batches_repeated() -> None:
    with running_shop() as shop:
        for number in range(7):
            shop.send(
                "PUT",
                f"/api/v1/shoppers/s-{number}/consents",
                '{"personalization": true, "source": "tests"}',
            )
        counted_before = stored(shop)[2]
        rng = random.Random(9)  # noqa: S311  # when to kill
        told: Counter[str] = Counter()
        unanswered = 0
        kill_at = {rng.randrange(3, BATCHES - 3) for _ in range(KILLS)}
        for number in range(BATCHES):
            killer = None
            if number in kill_at:
                # Somewhere in the batch: before it is read, in its transaction, after its commit.
                killer = threading.Timer(rng.uniform(0, 0.05), shop.kill_web)
                killer.start()
            try:
                answer = shop.post("/api/v1/events", batch(number))
                assert answer.status == 200, answer.text
            except (OSError, http.client.HTTPException):
                unanswered += 1
            if killer is not None:
                killer.join()
                shop.restart_web()
            # Also where it was answered: a careful client may not know that.
            again = shop.post("/api/v1/events", batch(number)).json()
            assert again["refused"] == 0
            assert again["stored"] in {0, SIZE}, "all of a batch, or nothing"
            told["repeated"] += again["repeated"]
        events, keys, counted = stored(shop)
        assert events == keys == BATCHES * SIZE
        assert counted - counted_before == BATCHES * SIZE, "the states know each event once"
        assert told["repeated"] >= (BATCHES - unanswered) * SIZE
