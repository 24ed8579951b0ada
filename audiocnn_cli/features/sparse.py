"""The product of a sparse matrix with a dense one, by SciPy, without the rest of `scipy.sparse`.

Where a SciPy has the compiled product elsewhere, or it means something else, `scipy.sparse` is imported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.compiled import scipy_extension


@dataclass(frozen=True, slots=True)
class SparseRows:
    """A sparse (rows, columns) matrix: row by row the columns of its numbers, and the numbers (CSR).

    The numbers of row i are those from `starts[i]` to `starts[i + 1]`.
    """

    shape: tuple[int, int]
    starts: NDArray[np.int32]
    columns: NDArray[np.int32]
    numbers: NDArray[np.float32]

    def __matmul__(self, dense: NDArray[np.float32]) -> NDArray[np.float32]:
        """Times `dense` (columns, n), C-contiguous: (rows, n), each summed in the order of the columns."""
        return _product(self, dense)


def sparse_rows(matrix: NDArray[np.float32]) -> SparseRows:
    """The numbers of `matrix` (rows, columns) that are not 0."""
    rows, columns = np.nonzero(matrix)
    starts = np.searchsorted(rows, np.arange(len(matrix) + 1))
    return SparseRows(
        shape=(matrix.shape[0], matrix.shape[1]),
        starts=starts.astype(np.int32),
        columns=columns.astype(np.int32),
        numbers=matrix[rows, columns],
    )


Product = Callable[[SparseRows, NDArray[np.float32]], NDArray[np.float32]]


def _load() -> Product:
    try:
        tools: Any = scipy_extension("scipy.sparse._sparsetools")

        def product(sparse: SparseRows, dense: NDArray[np.float32]) -> NDArray[np.float32]:
            rows, columns = sparse.shape
            out = np.zeros((rows, dense.shape[1]), dtype=np.float32)
            tools.csr_matvecs(
                rows,
                columns,
                dense.shape[1],
                sparse.starts,
                sparse.columns,
                sparse.numbers,
                dense.ravel(),
                out.ravel(),
            )
            return out

        matrix = np.array([[0, 2, 0], [1, 0, 3]], dtype=np.float32)
        dense = np.arange(6, dtype=np.float32).reshape(3, 2)
        if np.array_equal(product(sparse_rows(matrix), dense), matrix @ dense):
            return product
    except (ImportError, AttributeError, TypeError, ValueError):
        pass
    return _public


def _public(sparse: SparseRows, dense: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.sparse import csr_array

    parts = (sparse.numbers, sparse.columns, sparse.starts)
    return np.asarray(csr_array(parts, shape=sparse.shape) @ dense, dtype=np.float32)


_product = _load()
