"""A sentence model from a folder, in the process: model.onnx and tokenizer.json, by onnxruntime."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

MODEL_FILES: Final = ("model_quantized.onnx", "model.onnx", "onnx/model.onnx")
MOST_TOKENS: Final = 128
"""Of a text, about a hundred words; reading on costs as much again and tells little more."""

BATCH: Final = 16

POOLINGS: Final = ("cls", "mean")
"""How the vectors of a text's words become one: the first, or the average. A model's card says."""


class BadModel(Exception):
    """The folder holds no model that can be used."""


class OnnxEmbedder:
    """Sentence transformers as they are exported for onnxruntime, up to `dimensions` wide.

    `pooling` is how the vectors of tokens become one: `cls` takes the first (bge, e5-like models
    say so in their card), `mean` averages those that are no padding. A narrower vector is filled up
    with zeros, which changes no inner product. Raises BadModel.
    """

    def __init__(self, folder: Path, *, pooling: str, dimensions: int) -> None:
        from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415  # 0.3 s of imports
        from tokenizers import Tokenizer  # noqa: PLC0415  # as above

        model = next((folder / name for name in MODEL_FILES if (folder / name).is_file()), None)
        tokenizer = folder / "tokenizer.json"
        if model is None or not tokenizer.is_file():
            raise BadModel(f"{folder} has no model.onnx, or no tokenizer.json beside it.")
        if pooling not in POOLINGS:
            raise BadModel(f"{pooling!r} is not one of {', '.join(POOLINGS)}.")
        options = SessionOptions()
        options.intra_op_num_threads = 1  # processes are what scales here
        try:
            self._session = InferenceSession(str(model), options, ["CPUExecutionProvider"])
            self._tokenizer = Tokenizer.from_file(str(tokenizer))
        except Exception as error:
            # Both libraries raise plain Exception for a file that is none of theirs.
            raise BadModel(f"{folder} cannot be loaded: {error}") from error
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.enable_padding()
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._pooling = pooling
        self._dimensions = dimensions
        # What the vectors depend on; a model that is replaced has vectors of its own.
        digest = hashlib.sha256(model.read_bytes()).hexdigest()[:12]
        self.version = f"onnx-{folder.name[:40]}-{pooling}-{digest}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (len(texts), dimensions). Raises BadModel for a wider model."""
        made = np.zeros((len(texts), self._dimensions), dtype=np.float32)
        # Of about one length, so that little is padded.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            vectors = self._encode([texts[place] for place in places])
            if vectors.shape[1] > self._dimensions:
                raise BadModel(f"The model's vectors have {vectors.shape[1]} dimensions.")
            made[places, : vectors.shape[1]] = vectors
        return made

    def _encode(self, texts: list[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(texts)
        mask = np.array([each.attention_mask for each in encoded], dtype=np.int64)
        fed: dict[str, Any] = {
            "input_ids": np.array([each.ids for each in encoded], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.array([each.type_ids for each in encoded], dtype=np.int64),
        }
        answer = self._session.run(None, {n: v for n, v in fed.items() if n in self._inputs})[0]
        tokens = np.asarray(answer, dtype=np.float32)
        if tokens.ndim == 2:  # pooled by the model itself
            pooled = tokens
        elif self._pooling == "cls":
            pooled = tokens[:, 0]
        else:
            weights = mask[:, :, None].astype(np.float32)
            pooled = (tokens * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
        lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
        unit: Vectors = pooled / np.maximum(lengths, 1e-12)
        return unit
