"""Measurement of the tensors in a pipeline: shape, range of values, and time."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Values:
    """Minimum, mean and maximum of a tensor."""

    low: float
    mean: float
    high: float


class Meter:
    """Measures a tensor that is made in pieces, which joined along their first axis are the whole.

    `seconds` is the time spent on making the pieces, without that of their inputs. `length` is the size of
    the first axis, `rest` the other axes.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.length = 0
        self.rest: tuple[int, ...] = ()
        self._waited = 0.0  # time that the consumer of the pieces has waited, measurement included
        self._low, self._high, self._sum, self._count = math.inf, -math.inf, 0.0, 0

    @property
    def values(self) -> Values | None:
        """The values so far; None if there are no real numbers."""
        if not self._count:
            return None
        return Values(self._low, self._sum / self._count, self._high)

    def add(self, piece: Any) -> None:
        """Measure a piece; of anything but an array of real numbers only the shape."""
        shape = getattr(piece, "shape", ())
        self.length += shape[0] if shape else 0
        self.rest = shape[1:]
        if isinstance(piece, np.ndarray) and piece.dtype.kind in "fiub" and piece.size:
            self._low = min(self._low, float(piece.min()))
            self._high = max(self._high, float(piece.max()))
            self._sum += float(piece.sum(dtype=np.float64))
            self._count += piece.size

    def time(self, work: Callable[[], R]) -> R:
        """Call `work` and add its time."""
        begun = perf_counter()
        result = work()
        self.seconds += perf_counter() - begun
        return result

    def measure(self, work: Callable[[], R]) -> R:
        """Call `work`, add its time, and measure its result as a piece."""
        result = self.time(work)
        self.add(result)
        return result

    def over(
        self,
        items: Iterable[R],
        *,
        after: "Meter | None" = None,
        piece: Callable[[R], Any] = lambda item: item,
    ) -> Iterator[R]:
        """Yield the items and measure the `piece` of each; `after` measures what they are made from."""
        iterator, inputs = iter(items), after or Meter()
        while True:
            before = inputs._waited
            begun = perf_counter()
            item = next(iterator, None)
            self.seconds += perf_counter() - begun - (inputs._waited - before)
            if item is not None:
                self.add(piece(item))
            self._waited += perf_counter() - begun
            if item is None:
                return
            yield item
