"""Exact search by cosine similarity: blocks of vectors pass by, and the best matches of each query are kept.

Vectors are compared in float32. What may be among the best by the error bound of that is compared again in
float64, each vector for itself, so that results do not depend on how the vectors are divided into blocks.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.batch.inputs import absolute
from audiocnn_cli.embeddings.clip import ClipEmbeddings
from audiocnn_cli.errors import FailureKind, SignalError, UsageError

# Queries compared with a block at once: a block of 20,000 vectors then takes 5 MiB more.
_QUERIES_AT_ONCE = 64
_EXACT_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Consecutive vectors of a set.

    Args:
        names: paths of recordings, each once.
        codes: index in `names` of the recording of each vector, shape (n,).
        starts_s: start of each segment in seconds, shape (n,).
        ends_s: end of each segment, shape (n,).
        silent: whether the segment is silence, shape (n,), bool.
        vectors: shape (n, dimensions), float32, finite.
    """

    names: Sequence[str]
    codes: NDArray[np.int64]
    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    silent: NDArray[np.bool_]
    vectors: NDArray[np.float32]

    def without_silence(self) -> "Block":
        """The block without silent segments."""
        if not self.silent.any():
            return self
        rows = ~self.silent
        arrays = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return replace(self, **arrays)


_ARRAYS = ("codes", "starts_s", "ends_s", "silent", "vectors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched for: a part of the recording `path`, and its vector, shape (dimensions,), float64."""

    path: str
    start_s: float
    end_s: float
    vector: NDArray[np.float64]


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """A segment of a recording in the set, and its cosine similarity to the query, -1 to 1."""

    path: str
    start_s: float
    end_s: float
    similarity: float

    @property
    def rank(self) -> tuple[float, str, float, float]:
        """The sort key: the most similar first, of equal ones by path and time."""
        return -self.similarity, self.path, self.start_s, self.end_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """Which matches are kept.

    Args:
        top: largest number of matches for each query.
        threshold: smallest similarity of a match; None: any.
        one_per_recording: keep only the best match in each recording.
        exclude_self: leave out the recording that the query is from.

    Raises:
        UsageError: a value is out of its range.
    """

    top: int = 10
    threshold: float | None = None
    one_per_recording: bool = False
    exclude_self: bool = False

    def __post_init__(self) -> None:
        if self.top < 1:
            raise UsageError(f"`top` must be at least 1, not {self.top}")
        if self.threshold is not None and not -1 <= self.threshold <= 1:
            raise UsageError(f"`threshold` must be -1 to 1, not {self.threshold:g}")


DEFAULTS = SearchOptions()


def search(
    blocks: Iterable[Block], queries: Sequence[Query], options: SearchOptions = DEFAULTS
) -> list[tuple[Match, ...]]:
    """The best matches of each query, the most similar first; equal ones are in the order of path and time.

    Silent segments match nothing. The similarity to a vector of zeros is 0, as in scikit-learn.

    Args:
        blocks: all vectors; read once.
        queries: with vectors of the same length.
        options: which matches are kept.
    """
    best = [_Best(query, options) for query in queries]
    units = np.stack([each.unit for each in best]).astype(np.float32)
    # Twice the bound of the rounding error of a float32 dot product of unit vectors (Higham 2002, 3.1).
    margin = (units.shape[1] + 4) * float(np.finfo(np.float32).eps)
    for block in blocks:
        sounding = block.without_silence()
        if not len(sounding.codes):
            continue
        rows = _unit(sounding.vectors).astype(np.float32)
        for first in range(0, len(best), _QUERIES_AT_ONCE):
            several = slice(first, first + _QUERIES_AT_ONCE)
            similarities = units[several] @ rows.T
            for each, own, highest in zip(
                best[several], similarities, similarities.max(axis=1).tolist(), strict=True
            ):
                if highest >= each.floor - margin:
                    each.offer(sounding, own, margin)
    return [tuple(each.matches) for each in best]


def queries_of(clip: ClipEmbeddings, *, each_segment: bool = False) -> tuple[Query, ...]:
    """A clip as a query: the mean of its segments' vectors, each divided by its length; silence is left out.

    With `each_segment` a query for each segment instead.

    Raises:
        SignalError: the clip is silence.
    """
    sounding = np.flatnonzero(~clip.silent)
    if not len(sounding):
        raise SignalError(FailureKind.EMPTY, "is silence, which nothing is similar to")
    units = _unit(clip.vectors.astype(np.float64))
    if each_segment:
        return tuple(
            Query(path=clip.path, start_s=start, end_s=end, vector=unit)
            for start, end, unit in zip(
                clip.starts_s[sounding].tolist(), clip.ends_s[sounding].tolist(), units[sounding], strict=True
            )
        )
    start, end = float(clip.starts_s[0]), float(clip.starts_s[0]) + clip.duration_s
    return (Query(path=clip.path, start_s=start, end_s=end, vector=units[sounding].mean(axis=0)),)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Vectors divided by their lengths; zeros stay zeros."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0)[:, None].astype(vectors.dtype))


@dataclass(slots=True)
class _Best:
    """The best matches of a query so far, in order."""

    query: Query
    options: SearchOptions
    matches: list[Match] = field(default_factory=list)
    unit: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.unit = np.asarray(_unit(self.query.vector[None])[0])

    @property
    def floor(self) -> float:
        """The smallest similarity that a further match must have."""
        if len(self.matches) == self.options.top:
            return self.matches[-1].similarity
        return -1.0 if self.options.threshold is None else self.options.threshold

    def offer(self, block: Block, similarities: NDArray[np.float32], margin: float) -> None:
        """Take the vectors of a block, with their `similarities` in float32, shape (n,)."""
        rows = np.flatnonzero(similarities >= self.floor - margin)
        rows = rows[self._wanted(block, rows)]
        if len(rows) > self.options.top:
            rows = self._shortlist(block.codes[rows], similarities[rows], rows, 2 * margin)
        found = self._exact(block, rows)
        if self.options.threshold is not None:
            found = [match for match in found if match.similarity >= self.options.threshold]
        ranked = sorted([*self.matches, *found], key=lambda match: match.rank)
        if self.options.one_per_recording:
            firsts: dict[str, Match] = {}
            for match in ranked:
                firsts.setdefault(match.path, match)
            ranked = list(firsts.values())
        self.matches = ranked[: self.options.top]

    def _wanted(self, block: Block, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        if not self.options.exclude_self:
            return np.ones(len(rows), dtype=np.bool_)
        codes = block.codes[rows]
        own = [code for code in np.unique(codes).tolist() if _same_file(block.names[code], self.query.path)]
        return np.asarray(~np.isin(codes, own))

    def _shortlist(
        self,
        codes: NDArray[np.int64],
        similarities: NDArray[np.float32],
        rows: NDArray[np.intp],
        margin: float,
    ) -> NDArray[np.intp]:
        """The rows that can be among the `top` best, of recordings or of all rows."""
        top = self.options.top
        if not self.options.one_per_recording:
            kept = similarities >= np.partition(similarities, -top)[-top] - margin
            return np.asarray(rows[kept])
        recordings, of = np.unique(codes, return_inverse=True)
        highest = np.full(len(recordings), -np.inf, dtype=np.float32)
        np.maximum.at(highest, of, similarities)
        least = np.partition(highest, -top)[-top] if len(highest) > top else -np.inf
        kept = similarities >= np.maximum(highest[of], least) - margin
        return np.asarray(rows[kept])

    def _exact(self, block: Block, rows: NDArray[np.intp]) -> list[Match]:
        """The matches of some rows; of more than `top` those that can be among the best."""
        pieces = [
            _cosines(block.vectors[some], self.unit)
            for some in np.split(rows, range(_EXACT_AT_ONCE, len(rows), _EXACT_AT_ONCE))
        ]
        exact = np.concatenate(pieces)
        if len(rows) > self.options.top and not self.options.one_per_recording:
            kept = exact >= np.partition(exact, -self.options.top)[-self.options.top]
            rows, exact = rows[kept], exact[kept]
        values = (block.starts_s[rows].tolist(), block.ends_s[rows].tolist(), exact.tolist())
        names = [block.names[code] for code in block.codes[rows].tolist()]
        return [Match(*each) for each in zip(names, *values, strict=True)]


def _cosines(vectors: NDArray[np.float32], unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine similarities of vectors (n, dimensions) to a unit vector, in float64, shape (n,).

    Sums over a contiguous axis: the similarity of a vector depends on no other.
    """
    rows = vectors.astype(np.float64, order="C")
    lengths = np.sqrt((rows * rows).sum(axis=1))
    cosines = (rows * unit).sum(axis=1) / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(np.clip(cosines, -1.0, 1.0))


def _same_file(path: str, other: str) -> bool:
    same_name = os.path.basename(path) == os.path.basename(other)  # noqa: PTH119 (of URLs too)
    return same_name and (path == other or absolute(path) == absolute(other))
