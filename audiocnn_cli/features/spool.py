"""Rows that arrive one by one: in memory while they are few, else in an unnamed temporary file."""

import io
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import OutputError

# 64 MiB: 50 minutes of 128 mel bands at 43 frames a second.
MEMORY_BYTES = 1 << 26
_BLOCK_BYTES = 1 << 20


class Spool:
    """An array of float32 that grows along its first axis."""

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._limit = memory_bytes
        self._parts: list[NDArray[np.float32]] = []
        self._held = 0
        self._file: IO[bytes] | None = None
        self._rows = 0
        self.row_shape: tuple[int, ...] = ()

    def __del__(self) -> None:
        # Mapped arrays stay valid.
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: NDArray[np.float32]) -> None:
        """Add `rows` of shape (n, ...); all but the first axis are the same in every call."""
        self.row_shape = rows.shape[1:]
        self._rows += len(rows)
        self._parts.append(rows)
        self._held += rows.nbytes
        if self._held > self._limit:
            self._spill()

    def array(self) -> NDArray[np.float32]:
        """All rows: an array in memory, or one mapped from the file (read-only)."""
        if self._file is None:
            if not self._parts:
                return np.zeros((0, *self.row_shape), dtype=np.float32)
            if len(self._parts) > 1:
                self._parts = [np.concatenate(self._parts)]
            return self._parts[0]
        self._spill()
        mapped: Any = np.memmap(self._file, np.float32, "r", shape=(self._rows, *self.row_shape))
        return np.asarray(mapped)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The rows again, in order, some at a time; the file is read, not mapped."""
        if self._file is None:
            yield from self._parts
            return
        self._spill()
        row = int(np.prod(self.row_shape, dtype=np.int64))
        step = max(1, _BLOCK_BYTES // (4 * row))
        for start in range(0, self._rows, step):
            self._file.seek(4 * row * start)
            values = np.frombuffer(self._file.read(4 * row * step), dtype=np.float32)
            yield values.reshape(-1, *self.row_shape)

    def _spill(self) -> None:
        """Move what is in memory to the file.

        Raises:
            OutputError: there is no room for it.
        """
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="audiocnn-")  # noqa: SIM115 (closed with the spool)
            self._file.seek(0, io.SEEK_END)
            for part in self._parts:
                self._file.write(np.ascontiguousarray(part).data)
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: the temporary file for a long recording can't be written"
                f" ({error.strerror}); set TMPDIR to a folder with more room"
            ) from error
        self._parts.clear()
        self._held = 0
