"""Feature tensors as files: npz, npy, hdf5 and parquet, of one recording or of many."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from audiocnn_cli import __version__
from audiocnn_cli.datasets.feature_rows import blocks, feature_table
from audiocnn_cli.errors import FailureKind, InputError, OutputError
from audiocnn_cli.features.plan import frequencies_hz
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.features.settings import settings_of
from audiocnn_cli.features.spool import Spool
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.output.formats import Format
from audiocnn_cli.output.results import parquet_file
from audiocnn_cli.output.tensors.report import document


@contextmanager
def tensor_file(path: Path, format: Format, *, force: bool) -> Iterator[Callable[[FeatureResult], None]]:
    """A function that takes results for `path`; the file appears when the block ends without an error.

    It raises InputError for a tensor that does not fit to those before. Parquet has the rows of CSV, a group
    of rows for each segment or some thousand frames.

    Raises:
        OutputError: it can't be written, or there is nothing to write.
        MissingExtraError: the format needs a package that is not installed.
    """
    format.require_package()
    if format is not Format.PARQUET:
        with atomic_writer(path, "wb", force=force) as stream:
            arrays = _Arrays(path)
            yield arrays.add
            arrays.write(stream, format)
        return
    same = SameColumns()
    with parquet_file(path, force=force) as write:

        def add(result: FeatureResult) -> None:
            same.require(result)
            for block in blocks(result):
                write(feature_table([block]))

        yield add


class SameColumns:
    """Rows of one table have the columns of the first recording, or they are refused."""

    def __init__(self) -> None:
        self._first: tuple[str, list[str]] | None = None

    def require(self, result: FeatureResult) -> None:
        """Let this recording in.

        Raises:
            InputError: its columns are others.
        """
        columns = result.tensor.columns
        path, wanted = self._first = self._first or (result.source.path, columns)
        if columns != wanted:
            raise InputError(
                result.source.path,
                FailureKind.TOO_SHORT if len(columns) < len(wanted) else FailureKind.TOO_LARGE,
                f"gives {len(columns)} columns, which do not fit below the {len(wanted)} of {path}; write to"
                " a folder, `output=FOLDER/`",
            )


class _Arrays:
    """One array of all recordings, joined along its first axis, and what is needed to take it apart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = Spool()
        self._results: list[dict[str, Any]] = []
        self._extra: dict[str, Any] = {}
        self._config: dict[str, Any] = {}

    def add(self, result: FeatureResult) -> None:
        """Take one recording's tensor."""
        if self._results:
            self._require_alike(result)
        self._data.append(result.tensor.data)
        self._results.append(document(result, [str(self._path)]))
        self._config = settings_of(result.tensor.plan)
        if len(self._results) == 1:
            self._extra = _arrays_beside(result)
        elif not result.tensor.plan.segmentation and not result.tensor.plan.summary:
            self._extra["times_s"] = np.concatenate([self._extra["times_s"], result.tensor.times_s])

    def _require_alike(self, result: FeatureResult) -> None:
        """Arrays are joined along their first axis; the others must be as those of the first recording."""
        shape, wanted = result.tensor.data.shape, self._data.row_shape
        if shape[1:] == wanted:
            return
        first = self._results[0]
        raise InputError(
            result.source.path,
            FailureKind.TOO_SHORT if shape[1:] < wanted else FailureKind.TOO_LARGE,
            f"gives {list(shape)}, which does not fit into {self._path} behind the {first['shape']} of"
            f" {first['path']}; write to a folder, `output=FOLDER/`",
        )

    def write(self, stream: IO[bytes], format: Format) -> None:
        """Write the arrays."""
        if not self._results:
            raise OutputError(f"{self._path}: not written, as there is no result")
        data = self._data.array()
        if format is Format.NPY:
            np.lib.format.write_array(stream, np.ascontiguousarray(data))
            return
        lengths = [each["shape"][0] for each in self._results]
        files = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        found = self._results[0] if len(self._results) == 1 else {"results": self._results}
        meta = json.dumps(found | {"config": self._config, "audiocnn": __version__})
        arrays = {"data": data, "file_index": files} | self._extra
        paths = [each["path"] for each in self._results]
        if format is Format.NPZ:
            np.savez(stream, meta=np.array(meta), paths=np.array(paths), **arrays)
        else:
            _write_hdf5(stream, arrays, paths, meta)


def _arrays_beside(result: FeatureResult) -> dict[str, Any]:
    arrays: dict[str, Any] = {"columns": np.array(result.tensor.columns)}
    if not result.tensor.plan.summary:
        arrays["times_s"] = result.tensor.times_s
    frequencies = frequencies_hz(result.tensor.plan.configs)
    if frequencies is not None:
        arrays["frequencies_hz"] = frequencies
    if result.tensor.plan.segmentation:
        arrays["starts_s"] = np.array(result.tensor.starts_s)
    if result.tensor.rest is not None:
        arrays["rest"] = result.tensor.rest
    return arrays


def _write_hdf5(stream: IO[bytes], arrays: dict[str, Any], paths: list[str], meta: str) -> None:
    import h5py

    with h5py.File(stream, "w") as file:
        for name, array in arrays.items():
            texts = array.dtype.kind == "U"
            file.create_dataset(name, data=array.astype(object) if texts else array)
        file.create_dataset("paths", data=[path.encode("utf-8", "surrogateescape") for path in paths])
        file.attrs["meta"] = meta
