"""What the frames of a tensor are summarised by, in memory that does not grow with them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from audiocnn_cli.features.terms import Statistic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK_VALUES = 1 << 20


def mean_and_std(
    data: "NDArray[np.float32]", *, axes: int
) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Mean and standard deviation (over n, not n - 1) over the first `axes` axes, in float64."""
    import numpy as np

    over = tuple(range(axes))
    step = max(1, _BLOCK_VALUES * len(data) // max(1, data.size))
    blocks = [slice(start, start + step) for start in range(0, len(data), step)]
    count = max(1, int(np.prod(data.shape[:axes])))
    zero = np.zeros(data.shape[axes:])
    mean = sum((data[rows].sum(axis=over, dtype=np.float64) for rows in blocks), zero) / count
    squares = sum((((data[rows] - mean) ** 2).sum(axis=over) for rows in blocks), zero)
    return mean, np.sqrt(squares / count)


def summarise(
    data: "NDArray[np.float32]", statistics: tuple[Statistic, ...]
) -> "NDArray[np.float32]":
    """(frames, ...) to (statistics, ...)."""
    import numpy as np

    compute: dict[Statistic, Callable[[], NDArray[np.float64]]] = {
        Statistic.MEAN: lambda: mean_and_std(data, axes=1)[0],
        Statistic.STD: lambda: mean_and_std(data, axes=1)[1],
        Statistic.MIN: lambda: data.min(axis=0),
        Statistic.MAX: lambda: data.max(axis=0),
        Statistic.MEDIAN: lambda: np.median(data, axis=0),
    }
    rows = [compute[each]() for each in statistics]
    return np.stack(rows).astype(np.float32)
