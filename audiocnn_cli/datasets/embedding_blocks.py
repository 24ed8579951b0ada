"""Blocks of the vectors of a set, and what is checked while they are read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.datasets.embedding_rows import PREFIX, names_of_dimensions
from audiocnn_cli.embeddings.clip import EmbeddingInfo
from audiocnn_cli.embeddings.search import Block
from audiocnn_cli.errors import FailureKind, InputError

# Bytes of vectors in a block.
_BLOCK_BYTES = 1 << 23
_FEWEST_ROWS = 16
_REQUIRED = ("path", "start_s", "end_s")


def rows_of_block(dimensions: int, *, text: bool = False) -> int:
    """How many vectors are read at once; fewer of `text`, whose numbers are Python objects of 60 bytes."""
    return max(_FEWEST_ROWS, _BLOCK_BYTES // ((64 if text else 4) * dimensions))


def damaged(where: str, why: object) -> InputError:
    """The error of a set that can't be read."""
    return InputError(where, FailureKind.CORRUPT, f"can't be read as a set of embeddings ({why})")


def dimensions_in(columns: Sequence[str], where: str) -> int:
    """The number of columns e_0, e_1, ... of a table.

    Raises:
        InputError: it has none, or lacks another column.
    """
    named = set(columns)
    missing = [name for name in (*_REQUIRED, f"{PREFIX}0") if name not in named]
    if missing:
        raise InputError(
            where,
            FailureKind.CORRUPT,
            f"is no set of embeddings: it has no column {missing[0]}; `audiocnn embed` writes one",
        )
    count = sum(name.startswith(PREFIX) and name[len(PREFIX) :].isdecimal() for name in named)
    absent = [name for name in names_of_dimensions(count) if name not in named]
    if absent:
        raise damaged(where, f"it has no column {absent[0]}")
    return count


def block_of(
    paths: Sequence[str] | NDArray[np.int64],
    names: Sequence[str] | None,
    values: Mapping[str, Any],
    vectors: NDArray[np.float32],
    *,
    where: str,
) -> Block:
    """A block of vectors (n, dimensions) of the recordings `paths`, or of those that are indices in `names`.

    `values` has `start_s` and `end_s`, and may have `silent`.

    Raises:
        InputError: a vector holds a number that is not finite.
    """
    if names is None:
        given, names = paths, list(dict.fromkeys(paths))
        index = {name: code for code, name in enumerate(names)}
        paths = np.array([index[path] for path in given], dtype=np.int64)
    if not np.isfinite(vectors).all():
        raise damaged(where, "it holds numbers that are not finite")
    silent = values.get("silent")
    return Block(
        names=names,
        codes=np.asarray(paths, dtype=np.int64),
        starts_s=np.asarray(values["start_s"], dtype=np.float64),
        ends_s=np.asarray(values["end_s"], dtype=np.float64),
        silent=np.zeros(len(vectors), dtype=bool) if silent is None else np.asarray(silent, dtype=bool),
        vectors=vectors,
    )


def require_one_model(hashes: set[str], info: EmbeddingInfo | None, where: str) -> None:
    """Refuse vectors of several models in one set.

    Raises:
        InputError: `hashes` of the models has another one than `info`.
    """
    if info is not None and hashes - {info.model_sha256}:
        raise InputError(
            where,
            FailureKind.CORRUPT,
            f"holds vectors of {info.model} and of another model, which can't be compared; embed all"
            " recordings with one `model`",
        )
