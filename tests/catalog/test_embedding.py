"""Vectors of items: computed for what changed only, and waited for when the model is out."""

import json
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from pytest_django import Settings

from catalog import embedding
from catalog.embedding import (
    EmbedderUnavailable,
    OpenAIEmbedder,
    UniversalSentenceEncoder,
    Vectors,
    embed_items,
    text_of,
)
from catalog.models import EMBEDDING_DIMENSIONS, Item, ItemEmbedding
from catalog.tasks import embed_changed_items
from tenants.models import Tenant
from tests.catalog.embedding_server import EmbeddingServer, send, serving, vectors
from tests.make import make_item


class CountingEmbedder:
    """Counts what it is asked; a vector says how long its text is."""

    version = "counting-1"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        self.meanwhile()
        made = np.ones((len(texts), EMBEDDING_DIMENSIONS), dtype=np.float32)
        made[:, 0] = [len(text) for text in texts]
        unit: Vectors = made / np.linalg.norm(made, axis=1, keepdims=True)
        return unit


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> CountingEmbedder:
    counting = CountingEmbedder()
    monkeypatch.setattr(embedding, "embedder", lambda: counting)
    monkeypatch.setattr("catalog.tasks.embedder", lambda: counting)
    return counting


def embed(tenant: Tenant) -> None:
    embed_changed_items(tenant.schema_name)


def waiting(version: str) -> set[str]:
    return set(Item.objects.needs_embedding(version).values_list("title", flat=True))


def test_only_items_whose_text_changed_are_embedded_again(
    tenant: Tenant, model: CountingEmbedder
) -> None:
    tent, stove = make_item(title="Tent"), make_item(title="Stove")
    embed(tenant)
    assert len(model.asked) == 2
    embed(tenant)
    assert len(model.asked) == 2

    # Touched, but what the model reads of it is the same.
    tent.address = "https://shop.example/tent"
    tent.save()
    assert waiting(model.version) == {"Tent"}
    embed(tenant)
    assert len(model.asked) == 2
    assert waiting(model.version) == set()

    for field, value in (
        ("title", "Gas stove"),
        ("brand", "Hot"),
        ("category_path", ["Camping"]),
        ("attributes", {"fuel": "gas"}),
        ("description", "Boils a liter."),
    ):
        setattr(stove, field, value)
        stove.save()
        model.asked.clear()
        embed(tenant)
        assert [text_of(stove)] == model.asked, field


def test_another_model_embeds_everything_anew(tenant: Tenant, model: CountingEmbedder) -> None:
    make_item(), make_item()
    embed(tenant)
    model.version = "counting-2"
    embed(tenant)
    assert len(model.asked) == 4
    versions = ItemEmbedding.objects.values_list("model_version", flat=True)
    assert set(versions) == {"counting-2"}


def test_archived_items_are_left_alone(tenant: Tenant, model: CountingEmbedder) -> None:
    make_item(archived_at=timezone.now())
    embed(tenant)
    assert model.asked == []


def test_more_items_than_a_batch_holds_are_all_embedded(
    tenant: Tenant, model: CountingEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.tasks.EMBED_BATCH", 3)
    for _ in range(8):
        make_item()
    embed(tenant)
    assert ItemEmbedding.objects.count() == len(model.asked) == 8


def test_an_item_that_changes_while_the_model_thinks_is_embedded_again(
    tenant: Tenant, model: CountingEmbedder
) -> None:
    tent, stove = make_item(title="Tent"), make_item(title="Stove")
    embed(tenant)
    tent.title = "Big tent"
    tent.save()
    model.meanwhile = lambda: Item.objects.filter(pk=tent.pk).update(
        title="Small tent", updated_at=timezone.now()
    )
    embed(tenant)
    model.meanwhile = lambda: None
    assert waiting(model.version) == {"Small tent"}
    embed(tenant)
    assert model.asked[-1] == "Small tent"
    assert waiting(model.version) == set()
    assert stove.title not in model.asked[2:]


# -- The model behind an address ------------------------------------------------------------------


def stall(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    server.released.wait(20)


def drop(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.connection.close()


def break_off(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"object": "list", "data": [')
    handler.connection.close()


def say(body: Any, status: int = 200) -> Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]:
    told = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler, _: send(handler, told, status)


def ragged(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    data = [
        {"object": "embedding", "index": index, "embedding": [0.5] * (512 - index)}
        for index in range(len(body["input"]))
    ]
    send(handler, json.dumps({"object": "list", "data": data, "model": "m"}).encode())


OUTAGES: dict[str, Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]] = {
    "it stalls": stall,
    "it fails": say({"error": {"message": "overloaded"}}, 500),
    "it is too busy": say({"error": {"message": "slow down"}}, 429),
    "it refuses the key": say({"error": {"message": "who are you"}}, 401),
    "it drops the connection": drop,
    "it breaks off": break_off,
    "it answers vectors that are too short": vectors(256),
    "it answers too few vectors": vectors(fewer=1),
    "it answers vectors of different lengths": ragged,
    "it answers no numbers": vectors(value=float("nan")),
    "it answers nothing": say({"object": "list", "data": []}),
    "it answers null": say(b"null"),
    "it answers another shape": say({"choices": []}),
    "it answers no JSON": say(b"<html>Welcome to the proxy</html>"),
}

server: EmbeddingServer


def ask(monkeypatch: pytest.MonkeyPatch, settings: Any, address: str) -> OpenAIEmbedder:
    settings.OPENAI_BASE_URL = address
    settings.OPENAI_API_KEY = "a key of the tests"
    model = OpenAIEmbedder()
    model._client = model._client.with_options(timeout=0.5, max_retries=0)
    monkeypatch.setattr(embedding, "embedder", lambda: model)
    monkeypatch.setattr("catalog.tasks.embedder", lambda: model)
    return model


def test_an_address_that_speaks_openai_gives_unit_vectors_in_the_order_asked(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(vectors(backwards=True)) as found:
        model = ask(monkeypatch, settings, found.address)
        made = model.encode(["one", "two", "three"])
        assert model.encode([]).shape == (0, EMBEDDING_DIMENSIONS)
    assert made.shape == (3, EMBEDDING_DIMENSIONS)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert list(np.argsort(made[:, 0])) == [0, 1, 2], "the first number grows with the place"
    (asked,) = found.asked
    assert (asked["input"], asked["dimensions"]) == (["one", "two", "three"], 512)
    assert asked["path"] == "/v1/embeddings"


@pytest.mark.parametrize("outage", OUTAGES)
def test_items_wait_for_a_model_that_is_out_and_are_embedded_when_it_is_back(
    tenant: Tenant,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    outage: str,
) -> None:
    global server  # the stalling answer waits for it
    make_item(title="Tent"), make_item(title="Stove")
    with serving(OUTAGES[outage]) as server:
        model = ask(monkeypatch, settings, server.address)
        with pytest.raises(EmbedderUnavailable):
            embed_items(Item.objects.select_related("embedding"))
        embed(tenant)
        assert "Items wait for their embedding" in caplog.text
        assert waiting(model.version) == {"Tent", "Stove"}
        assert not ItemEmbedding.objects.exists()

        server.answer = vectors()
        embed(tenant)
    assert waiting(model.version) == set()
    assert ItemEmbedding.objects.count() == 2


def test_nobody_listens_at_the_address(
    tenant: Tenant, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_item()
    ask(monkeypatch, settings, "http://127.0.0.1:9/v1")
    embed(tenant)
    assert not ItemEmbedding.objects.exists()


def test_the_embedded_model_puts_like_things_together_in_several_languages() -> None:
    model = UniversalSentenceEncoder()
    texts = ["a warm winter jacket", "eine warme Winterjacke", "a set of kitchen knives"]
    jacket, jacke, knives = model.encode(texts)
    assert model.encode(texts).tobytes() == np.stack([jacket, jacke, knives]).tobytes()
    assert np.linalg.norm(jacket) == pytest.approx(1.0, abs=1e-5)
    assert float(jacket @ jacke) > float(jacket @ knives) + 0.2
    assert model.encode([]).shape == (0, EMBEDDING_DIMENSIONS)


def test_what_is_searched_for_gets_the_models_prefix_and_items_do_not(
    tenant: Tenant, model: CountingEmbedder, settings: Settings
) -> None:
    settings.EMBEDDER_QUERY_PREFIX = "query: "
    make_item(title="Lamp")
    embed(tenant)
    embedding.encode_query("lamp")
    assert model.asked == ["Lamp", "query: lamp"]
