"""A sentence model from a folder: what it makes of texts, and folders that hold none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pytest_django import Settings

from catalog import embedding
from catalog.embedding import embedder, encode_query
from catalog.models import EMBEDDING_DIMENSIONS, ItemEmbedding
from catalog.onnx_embedder import MOST_TOKENS, BadModel, OnnxEmbedder
from catalog.tasks import embed_changed_items
from tenants.models import Tenant
from tests.catalog.onnx_models import FIRST, write_model
from tests.make import make_item


def model(folder: Path, *, pooling: str = "cls", dimensions: int = 5) -> OnnxEmbedder:
    return OnnxEmbedder(folder, pooling=pooling, dimensions=dimensions)


def rows(*wanted: list[float]) -> npt.NDArray[np.float32]:
    return np.array(wanted, dtype=np.float32)


def test_the_first_token_is_the_text_by_cls_and_the_average_by_mean(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    first = model(folder).encode(["tent stove", "stove tent"])
    np.testing.assert_allclose(first, rows([1, 0, 0, 0, 0], [0, 1, 0, 0, 0]), atol=1e-6)
    # (1, 0, 0) and (0, 2, 0) come to (1, 2, 0) / 2.
    mean = model(folder, pooling="mean").encode(["tent stove"])
    np.testing.assert_allclose(mean, rows([0.4472136, 0.8944272, 0, 0, 0]), atol=1e-6)


def test_vectors_are_of_length_one_in_the_order_of_the_texts_and_filled_up_with_zeros(
    tmp_path: Path,
) -> None:
    texts = ["mat", "tent stove lamp mat", "lamp", "stove tent"] * 9  # more than a batch
    made = model(write_model(tmp_path), pooling="mean").encode(texts)
    assert made.shape == (36, 5)
    assert made.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1.0, atol=1e-6)
    assert not made[:, 3:].any()
    np.testing.assert_allclose(made[0], [0.6, 0.8, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(made[2], [0, 0, 1, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(made[:4], made[32:])
    assert model(tmp_path).encode([]).shape == (0, 5)


def test_what_a_text_is_encoded_beside_does_not_count(tmp_path: Path) -> None:
    mean = model(write_model(tmp_path), pooling="mean")
    alone = mean.encode(["tent"])[0]
    beside = mean.encode(["tent", "stove lamp mat stove lamp mat"])[0]
    np.testing.assert_array_equal(alone, beside)


def test_of_a_long_text_the_beginning_is_read(tmp_path: Path) -> None:
    mean = model(write_model(tmp_path), pooling="mean")
    whole = mean.encode(["tent " * MOST_TOKENS])
    np.testing.assert_array_equal(whole, mean.encode(["tent " * MOST_TOKENS + "lamp " * 500]))


@pytest.mark.parametrize(
    "inputs", [("input_ids",), ("input_ids", "attention_mask", "token_type_ids")]
)
def test_a_model_is_fed_what_it_asks_for(tmp_path: Path, inputs: tuple[str, ...]) -> None:
    made = model(write_model(tmp_path, inputs=inputs)).encode(["lamp"])
    np.testing.assert_allclose(made, rows([0, 0, 1, 0, 0]), atol=1e-6)


def test_a_model_that_pools_by_itself_is_taken_at_its_word(tmp_path: Path) -> None:
    made = model(write_model(tmp_path, pooled=True)).encode(["tent stove"])
    np.testing.assert_allclose(made, rows([0.4472136, 0.8944272, 0, 0, 0]), atol=1e-6)


def test_the_quantized_file_is_preferred_and_hugging_faces_folder_found(tmp_path: Path) -> None:
    write_model(tmp_path, name="onnx/model.onnx")
    assert model(tmp_path).encode(["tent"])[0, 0] == 1
    write_model(tmp_path, FIRST[:, ::-1].copy(), name="model_quantized.onnx")
    assert model(tmp_path).encode(["tent"])[0, 2] == 1


def test_vectors_of_another_model_or_pooling_are_told_apart(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "words")
    before = {model(folder).version, model(folder, pooling="mean").version}
    assert len(before) == 2
    assert model(folder).version in before, "the same when loaded again"
    write_model(folder, FIRST + 1)
    assert model(folder).version not in before


def no_model(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def half_a_model(folder: Path) -> None:
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole[: len(whole) // 2])


def another_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"words": []}')


@pytest.mark.parametrize("breaking", [no_model, no_tokenizer, half_a_model, another_tokenizer])
def test_a_folder_without_a_model_is_refused_by_name(
    tmp_path: Path, breaking: Callable[[Path], None]
) -> None:
    breaking(write_model(tmp_path))
    with pytest.raises(BadModel, match=str(tmp_path)):
        model(tmp_path)


def test_a_pooling_nobody_knows_and_a_model_too_wide_are_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    with pytest.raises(BadModel, match="'max' is not one of cls, mean"):
        model(folder, pooling="max")
    with pytest.raises(BadModel, match="have 3 dimensions"):
        model(folder, dimensions=2).encode(["tent"])


def test_by_the_setting_items_and_queries_are_embedded_with_it(
    tenant: Tenant, tmp_path: Path, settings: Settings
) -> None:
    settings.EMBEDDER = "onnx"
    settings.EMBEDDER_MODEL_DIR = str(write_model(tmp_path))
    settings.EMBEDDER_POOLING = "mean"
    settings.EMBEDDER_QUERY_PREFIX = "stove "
    embedding.embedder.cache_clear()
    try:
        item = make_item(title="tent")
        embed_changed_items(tenant.schema_name)
        stored = ItemEmbedding.objects.get(item=item)
        assert stored.model_version == embedder().version
        assert stored.model_version.startswith("onnx-")
        made = np.array(stored.vector)
        assert made.shape == (EMBEDDING_DIMENSIONS,)
        np.testing.assert_allclose(made[:3], [1, 0, 0], atol=1e-3)
        asked = encode_query("tent")[0]
        np.testing.assert_allclose(asked[:3], [0.4472136, 0.8944272, 0], atol=1e-6)
        settings.EMBEDDER_MODEL_DIR = ""
        embedding.embedder.cache_clear()
        with pytest.raises(BadModel, match="EMBEDDER_MODEL_DIR names no folder"):
            embedder()
    finally:
        embedding.embedder.cache_clear()
