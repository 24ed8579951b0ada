"""What passes by on the way through a pipeline: its shape, its range, and the time that it took."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Values:
    """The range of a tensor's numbers, and their mean."""

    low: float
    mean: float
    high: float


def values_of(array: Any) -> Values | None:
    """The values of an array of real numbers; None for anything else."""
    meter = Meter()
    meter.see(array)
    return meter.values


class Meter:
    """The pieces of one tensor, as they pass: joined along their first axis they are the whole.

    `seconds` is the time spent on making them, without that of what they are made from.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.length = 0
        self.rest: tuple[int, ...] = ()
        self._waited = (
            0.0  # what whoever takes the pieces has waited for, this meter's own work included
        )
        self._low, self._high, self._sum, self._count = math.inf, -math.inf, 0.0, 0

    @property
    def values(self) -> Values | None:
        """What was seen of real numbers."""
        if not self._count:
            return None
        return Values(self._low, self._sum / self._count, self._high)

    def see(self, piece: Any) -> None:
        """Take note of a piece; what is no array of real numbers has a shape at most."""
        import numpy as np

        shape = getattr(piece, "shape", ())
        self.length += shape[0] if shape else 0
        self.rest = shape[1:]
        if isinstance(piece, np.ndarray) and piece.dtype.kind in "fiub" and piece.size:
            self._low = min(self._low, float(piece.min()))
            self._high = max(self._high, float(piece.max()))
            self._sum += float(piece.sum(dtype=np.float64))
            self._count += piece.size

    def time(self, work: Callable[[], R]) -> R:
        """The result of `work`, its time added."""
        begun = perf_counter()
        result = work()
        self.seconds += perf_counter() - begun
        return result

    def over(
        self,
        items: Iterable[R],
        *,
        after: "Meter | None" = None,
        look: Callable[[R], Any] = lambda item: item,
    ) -> Iterator[R]:
        """Hand on what comes and take note of it; `after` is the meter that it has passed before."""
        iterator = iter(items)
        while True:
            before = after._waited if after else 0.0
            begun = perf_counter()
            item = next(iterator, None)
            made = perf_counter()
            self.seconds += made - begun - ((after._waited if after else 0.0) - before)
            if item is not None:
                self.see(look(item))
            self._waited += perf_counter() - begun
            if item is None:
                return
            yield item
