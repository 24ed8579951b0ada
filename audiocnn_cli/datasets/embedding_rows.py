"""The rows of embeddings as Arrow tables, one a segment; how they were computed is in the metadata."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec
import numpy as np

from audiocnn_cli import __version__
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.datasets.dataset import as_text
from audiocnn_cli.embeddings.clip import ClipEmbeddings, EmbeddingInfo

# The key of the metadata of a file with vectors, as of feature tensors.
_KEY = b"audiocnn"
# Columns of numbers are named e_0, e_1, ...
PREFIX = "e_"


def names_of_dimensions(count: int) -> list[str]:
    """The names of the columns of numbers."""
    return [f"{PREFIX}{i}" for i in range(count)]


def columns_of(dimensions: int) -> list[str]:
    """The columns of a row, in a data set and in CSV."""
    first = ("path", "segment", "start_s", "end_s")
    return [*first, *names_of_dimensions(dimensions), "silent", "model", "model_sha256"]


def info_document(info: EmbeddingInfo) -> dict[str, Any]:
    """How vectors were computed, for the metadata of a file."""
    return {"embedding": asdict(info), "audiocnn": __version__}


def info_in(document: Any) -> EmbeddingInfo | None:
    """What `info_document` wrote; None if it is something else."""
    try:
        return msgspec.convert(document["embedding"], EmbeddingInfo)
    except (KeyError, TypeError, msgspec.ValidationError):
        return None


def info_in_metadata(metadata: Mapping[bytes, bytes] | None) -> EmbeddingInfo | None:
    """How the vectors of a Parquet file were computed; None if that is not recorded."""
    try:
        return info_in(json.loads((metadata or {})[_KEY]))
    except (KeyError, ValueError):
        return None


def embedding_table(results: Sequence[ClipEmbeddings]) -> Any:
    """An Arrow table of clips of one model, with the columns of `columns_of`."""
    import pyarrow as pa

    counts = [len(result) for result in results]
    paths = pa.array([as_text(result.path) for result in results], pa.string())
    clip = pa.array(np.repeat(np.arange(len(results), dtype=np.int32), counts))
    vectors = np.ascontiguousarray(np.concatenate([result.vectors for result in results]).T)
    columns = {
        "path": pa.DictionaryArray.from_arrays(clip, paths).cast(pa.string()),
        "segment": np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
        "start_s": np.concatenate([result.starts_s for result in results]),
        "end_s": np.concatenate([result.ends_s for result in results]),
        **dict(zip(names_of_dimensions(len(vectors)), vectors, strict=True)),
        "silent": np.concatenate([result.silent for result in results]),
        "model": _constant(results[0].info.model, len(clip)),
        "model_sha256": _constant(results[0].info.model_sha256, len(clip)),
    }
    meta = json.dumps(info_document(results[0].info))
    return pa.table(columns).replace_schema_metadata({_KEY: meta})


def _constant(text: str, count: int) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), [text]).cast(pa.string())


class EmbeddingRows:
    """The rows of embeddings in a data set."""

    def columns(self, result: ClipEmbeddings) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(columns_of(result.info.dimensions))

    def weight(self, result: ClipEmbeddings) -> int:
        """Bytes of the vectors."""
        return result.vectors.nbytes

    def table(self, results: Sequence[ClipEmbeddings]) -> Any:
        """One row a segment."""
        return embedding_table(results)

    def label(self, _result: ClipEmbeddings, source: Source) -> str | None:
        """The folder of the recording, where a folder holds one a class."""
        return source.name.partition("/")[0] if "/" in source.name else None

    def without_rows(self, result: ClipEmbeddings) -> ClipEmbeddings:
        """The clip without its vectors."""
        return replace(result, data=None)
