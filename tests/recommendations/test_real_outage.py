"""The whole thing with its services killed: granian, Valkey and Postgres as they are run."""

import re
from concurrent.futures import ThreadPoolExecutor

from tests.config.embedded_servers import eventually
from tests.recommendations.running_shop import Answer, RunningShop, running_shop


def counted(shop: RunningShop, layer: str) -> float:
    metrics = shop.get("/metrics", host="localhost")
    assert metrics.status == 200
    found = re.search(rf'^attune_fallbacks_total{{layer="{layer}"}} ([\d.]+)', metrics.text, re.M)
    return float(found[1]) if found else 0.0


def is_written(shop: RunningShop, decision: str) -> bool:
    query = "SELECT 1 FROM recommendations_decision WHERE id = %s"
    return shop.row(query, decision) is not None


def titles(answer: Answer) -> list[str]:
    return [item["title"] for item in answer.json()["items"]]


def is_whole(answer: Answer) -> bool:
    return answer.status == 200 and answer.json()["fallbacks"] == []


def test_slates_are_served_while_valkey_and_then_postgres_are_dead() -> None:
    with running_shop() as shop:
        known, anonymous = shop.slate(shopper="s-1", limit="5"), shop.slate(limit="5")
        assert is_whole(known)
        assert is_whole(anonymous)
        assert known.json()["personalized"] is True
        assert counted(shop, "database") == 0

        shop.kill("valkey")
        without_cache = shop.slate(shopper="s-1", limit="5")
        assert is_whole(without_cache)
        assert titles(without_cache) == titles(known)
        decision = without_cache.json()["decision"]
        # In the tables, for the buffer is out.
        assert eventually(lambda: is_written(shop, decision))

        shop.kill("postgres")
        with ThreadPoolExecutor(4) as pool:
            answers = list(
                pool.map(lambda n: shop.slate(**({"shopper": "s-1"} if n % 2 else {})), range(24))
            )
        assert {answer.status for answer in answers} == {200}
        for answer in answers:
            body = answer.json()
            assert body["fallbacks"][-2:] == ["ranking", "database"]
            assert titles(answer) == titles(anonymous)
            assert {str(item["offer"]) for item in body["items"]} == {"None"}, "no price by heart"
            assert body["personalized"] is False
        assert max(answer.seconds for answer in answers) < 5
        assert counted(shop, "database") == 24
        assert eventually(lambda: counted(shop, "decision_log") == 24)
        health = shop.get("/healthz", host="localhost")
        assert (health.status, health.json()) == (503, {"database": False, "cache": False})

        shop.bring_back()
        assert eventually(lambda: is_whole(shop.slate(shopper="s-1", limit="5")), seconds=30)
        again = shop.slate(shopper="s-1", limit="5").json()
        assert again["personalized"] is True
        assert all(item["offer"] for item in again["items"])
