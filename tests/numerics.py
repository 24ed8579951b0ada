"""How close computed numbers have to be, as a share of the size of what is compared.

float32 has a relative precision of 1.2e-7 (`EPS`). Processors and builds of NumPy sum in different orders and
with or without fused multiply-add, so that a result differs by a few `EPS` of the largest number that went
into it, however small the result itself is. A tolerance is therefore a share of that largest number.
"""

import math
from typing import Any

import numpy as np

EPS = float(np.finfo(np.float32).eps)
_TINY = float(np.finfo(np.float32).tiny)  # below it float32 has fewer digits


def assert_close(
    actual: Any, expected: Any, *, relative: float = 10 * EPS, scale: float | None = None
) -> None:
    """Every number of `actual` is within `relative` times `scale` of `expected`, and the shapes are equal.

    `scale` is the largest number that went into the result; None stands for the largest of `expected`.
    """
    expected = np.asarray(expected)
    assert np.shape(actual) == expected.shape
    if scale is None:
        scale = float(np.max(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=relative * scale + _TINY)


def mfcc_scale(n_mels: int = 128) -> float:
    """The size of the numbers that MFCC are made of: `n_mels` levels of 100 dB in an orthonormal DCT."""
    return 100.0 * math.sqrt(n_mels)
