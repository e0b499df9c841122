"""Tiny sentence models as they are exported for onnxruntime: a vector for each word of a list."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = ("[PAD]", "[UNK]", "tent", "stove", "lamp", "mat")

FIRST: npt.NDArray[np.float32] = np.array(
    [[9, 9, 9], [1, 1, 1], [1, 0, 0], [0, 2, 0], [0, 0, 4], [3, 4, 0]], dtype=np.float32
)
"""A row for each word. That of the padding would be seen wherever it counted."""


def write_model(
    folder: Path,
    vectors: npt.NDArray[np.float32] = FIRST,
    *,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
    pooled: bool = False,
    name: str = "model.onnx",
) -> Path:
    """A model that looks up each token, and with `pooled` sums them up itself."""
    looked_up = "tokens" if pooled else "last_hidden_state"
    nodes = [helper.make_node("Gather", ["vectors", "input_ids"], [looked_up])]
    shape: list[str | int] = ["batch", "tokens", vectors.shape[1]]
    if pooled:
        axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
        nodes.append(
            helper.make_node("ReduceSum", ["tokens", "axes"], ["last_hidden_state"], keepdims=0)
        )
        shape = ["batch", vectors.shape[1]]
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info(each, TensorProto.INT64, ["b", "t"]) for each in inputs],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(vectors, "vectors"), *([axes] if pooled else [])],
    )
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
