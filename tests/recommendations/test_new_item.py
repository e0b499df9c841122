"""A new item is recommendable within a minute of its import: with a real worker and its model."""

import time

from tests.config.embedded_servers import eventually
from tests.recommendations.running_shop import RunningShop, running_shop

TENT = {"item": "NEW-1", "title": "Ultralight trekking tent for two", "price": "199.00"}


def embedded(shop: RunningShop) -> bool:
    row = shop.row(
        "SELECT count(*) FROM catalog_itemembedding e"
        " JOIN catalog_item i ON i.id = e.item_id WHERE i.external_id = 'NEW-1'"
    )
    return row == (1,)


def test_a_new_item_is_recommended_and_embedded_within_a_minute() -> None:
    with running_shop() as shop, shop.worker():
        # The worker's first task loads the model: a shop that runs has done that long ago.
        assert shop.post("/api/v1/items", {"items": [{**TENT, "item": "OLD-1"}]}).status == 200
        started = time.monotonic()
        answer = shop.post("/api/v1/items", {"items": [TENT]})
        assert answer.json()["created"] == 1, answer.text
        shown = [item["item"] for item in shop.slate(limit="20").json()["items"]]
        assert "NEW-1" in shown, "as the newest, from the very next request on"
        assert eventually(lambda: embedded(shop), seconds=60), (
            shop.var / "worker.log"
        ).read_text()[-2_000:]
        assert time.monotonic() - started < 60
