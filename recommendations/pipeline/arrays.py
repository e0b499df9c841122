"""Reading Postgres arrays and vectors as numpy arrays, without a Python object an element."""

import numpy as np
import numpy.typing as npt

HEADER_BYTES = 20  # dimensions, null flag, element type, length, lower bound: five 4-byte words


def integers(sent: bytes) -> npt.NDArray[np.int64]:
    """What `array_send` made of an int4[] without nulls.

    Each element is its length (4) and its value, both big-endian: PostgreSQL's array_send.
    """
    return np.frombuffer(sent, dtype=">i4", offset=HEADER_BYTES)[1::2].astype(np.int64)


def reals(sent: bytes) -> npt.NDArray[np.float32]:
    """What `array_send` made of a real[] without nulls."""
    return np.frombuffer(sent, dtype=">f4", offset=HEADER_BYTES)[1::2].astype(np.float32)


def half_vector(sent: bytes) -> npt.NDArray[np.float64]:
    """What `halfvec_send` made of a halfvec: two 2-byte words of header, then big-endian halves."""
    return np.frombuffer(sent, dtype=">f2", offset=4).astype(np.float64)
