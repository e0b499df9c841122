"""Vectors of generated items: what the embedder makes of their words, put together.

A real catalog's vectors lie close to a space of few dimensions, and searches come from the same
space; vectors of noise would make every index of neighbors slower than it is. A million texts take
the embedder an hour, but their titles consist of some ten thousand phrases: an item's vector is the
sum of those of its phrases and a little noise.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.copying import copy_binary, fixed_width, indexes_afterwards, microseconds, rows_of
from bench.generated_words import ItemWords, item_words

BLOCK: Final = 20_000
AT_ONCE: Final = 500
NAME_WEIGHT: Final = 0.35
"""What brand and series count, each, beside what the item is."""

NOISE: Final = 0.2
"""The length of what tells items of the same phrases apart."""

MADE_AS: Final = "2"
"""Stands where a real item has the hash of its text; raised with every change of the above."""

Vectors = npt.NDArray[np.float32]


def are_made(items: int) -> bool:
    """Whether the current shop has such vectors, of the embedder that serves."""
    from catalog.embedding import embedder
    from catalog.models import ItemEmbedding

    return ItemEmbedding.objects.filter(
        item_id=items, model_version=embedder().version, content_hash=MADE_AS
    ).exists()


def copy_vectors(items: int, *, seed: int, now: datetime) -> None:
    """Write them, in place of any there are."""
    from catalog.embedding import embedder
    from catalog.models import EMBEDDING_DIMENSIONS
    from tenants.connection import connection
    from tenants.database.roles import as_owner

    version = embedder().version.encode()
    layout = fixed_width(
        item=">i8",
        version=f"S{len(version)}",
        hash=f"S{len(MADE_AS)}",
        vector=_half_vector(EMBEDDING_DIMENSIONS),
        at=">i8",
    )

    def blocks() -> Iterator[npt.NDArray[Any]]:
        first = 1
        for vectors in vectors_of(items, seed=seed):
            rows = rows_of(layout, len(vectors))
            rows["item"] = np.arange(first, first + len(vectors))
            rows["version"], rows["hash"] = version, MADE_AS.encode()
            rows["at"] = microseconds(now)
            rows["vector"]["dimensions"] = EMBEDDING_DIMENSIONS
            rows["vector"]["values"] = vectors
            first += len(vectors)
            yield rows

    with as_owner(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE catalog_itemembedding")
    with indexes_afterwards("catalog_itemembedding"):
        copy_binary(
            "catalog_itemembedding",
            ("item_id", "model_version", "content_hash", "vector", "updated_at"),
            blocks(),
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE catalog_itemembedding")


def vectors_of(items: int, *, seed: int) -> Iterator[Vectors]:
    """Unit vectors of the items, in order, a block at a time."""
    rng = np.random.default_rng([seed, 5])
    known: dict[str, npt.NDArray[np.float32]] = {}
    words = item_words(items, seed=seed)
    while block := [_phrases(each) for each in islice(words, BLOCK)]:
        _encode({phrase for phrases in block for phrase in phrases} - known.keys(), known)
        look, brand, series = (
            np.stack([known[phrases[part]] for phrases in block]) for part in range(3)
        )
        noise = rng.standard_normal(look.shape, dtype=np.float32) / np.sqrt(look.shape[1])
        vectors = look + NAME_WEIGHT * (brand + series) + NOISE * noise
        yield (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _phrases(words: ItemWords) -> tuple[str, str, str]:
    """What the item is, and whose: its title without the number, in parts."""
    brand, series, *look, _, color = words.title.split()
    return f"{color} {' '.join(look)}", brand, series


def _encode(phrases: set[str], known: dict[str, npt.NDArray[np.float32]]) -> None:
    from catalog.embedding import embedder

    wanted = sorted(phrases)
    for start in range(0, len(wanted), AT_ONCE):
        part = wanted[start : start + AT_ONCE]
        known.update(zip(part, embedder().encode(part), strict=True))


def _half_vector(dimensions: int) -> np.dtype[Any]:
    """pgvector's halfvec_recv: how many dimensions, a spare, and the values."""
    return np.dtype([("dimensions", ">i2"), ("spare", ">i2"), ("values", ">f2", dimensions)])
