"""Embeddings and search for Python."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.api.shared import notebook_html, source_of
from audiocnn_cli.audio.load import Excerpt
from audiocnn_cli.batch.run import Workers
from audiocnn_cli.datasets.embedding_set import open_set
from audiocnn_cli.embeddings.choice import choose_backbone, model_of_set
from audiocnn_cli.embeddings.clip import ClipEmbeddings, EmbedOptions
from audiocnn_cli.embeddings.clip import embed as embed_source
from audiocnn_cli.embeddings.search import Match, SearchOptions, queries_of
from audiocnn_cli.embeddings.search import search as search_blocks
from audiocnn_cli.embeddings.work import opened
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.registry import find_model
from audiocnn_cli.models.signature import Pooling
from audiocnn_cli.output.views.embed import EmbedView

if TYPE_CHECKING:
    import pandas as pd


def embed(
    source: Any,
    model: str | os.PathLike[str] = "auto",
    *,
    sample_rate: int | None = None,
    overlap: float | None = None,
    pool: str | None = None,
    offset: float = 0.0,
    duration: float | None = None,
) -> Embeddings:
    """Compute a vector for each segment of a recording: an embedding.

    Args:
        source: a path, or samples of shape (n,) or (n, channels).
        model: name of a model or an .onnx file with an embedding, or "auto": the backbone for the type of
            sound (music, speech, or sound for everything else).
        sample_rate: of the samples of an array, in Hz; the array is resampled to the model's rate.
        overlap: fraction of a segment that the next one repeats; None takes the model's.
        pool: "mean" for one vector, the mean of the segments that are not silent; None for one a segment.
        offset: seconds at the beginning to leave out.
        duration: seconds to read; None reads to the end.

    Raises:
        ModelRefusedError: there is no such model, or it does not match its contract.
        UsageError: a value is out of its range, or the model has no embedding.
        InputError: the recording can't be read.

    Example:
        >>> import numpy as np
        >>> import audiocnn_cli as audiocnn
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(10 * 22050) / 22050)
        >>> audiocnn.embed(tone, "sound", sample_rate=22050).shape
        (2, 1792)
    """
    given = source_of(source, sample_rate)
    excerpt = Excerpt(offset, duration)
    options = EmbedOptions(overlap=overlap, pool=_pooling(pool), excerpt=excerpt)
    name = os.fspath(model)
    if name == "auto":
        found = choose_backbone([given], excerpt=excerpt, workers=Workers()).model
    else:
        found = find_model(name)
    return Embeddings(embed_source(given, opened(found.path), options))


def search(
    source: Any,
    location: str | os.PathLike[str],
    *,
    sample_rate: int | None = None,
    model: str | os.PathLike[str] | None = None,
    top: int = 10,
    threshold: float | None = None,
    one_per_recording: bool = False,
    exclude_self: bool = False,
    offset: float = 0.0,
    duration: float | None = None,
) -> list[Match]:
    """Find the segments of a set that are most similar to a recording, by the cosine of their vectors.

    Args:
        source: a path, or samples of shape (n,) or (n, channels).
        location: what `audiocnn embed` has written: a data set, or a .parquet, .npz, .csv or .jsonl file.
        sample_rate: of the samples of an array, in Hz.
        model: the model of the set, where it is not installed under its name.
        top: largest number of matches.
        threshold: smallest similarity of a match, -1 to 1; None: any.
        one_per_recording: keep only the best match in each recording.
        exclude_self: leave out matches in the file `source`.
        offset: seconds at the beginning of `source` to leave out.
        duration: seconds of `source` to read; None reads to the end.

    Returns:
        Matches with `path`, `start_s`, `end_s` and `similarity`, the most similar first.

    Raises:
        ModelRefusedError: the model of the set is not installed, or `model` is another one.
        UsageError: a value is out of its range.
        InputError: the recording or the set can't be read.
        SignalError: the recording is silence.
    """
    wanted = SearchOptions(
        top=top, threshold=threshold, one_per_recording=one_per_recording, exclude_self=exclude_self
    )
    found = open_set(os.fspath(location))
    file = model_of_set(found.info, found.location, None if model is None else os.fspath(model))
    pool = found.info.pool if found.info else None
    options = EmbedOptions(pool=pool, excerpt=Excerpt(offset, duration))
    clip = embed_source(source_of(source, sample_rate), opened(file.path), options)
    found.require_dimensions(clip.info.dimensions)
    return list(search_blocks(found.blocks(), queries_of(clip), wanted)[0])


def _pooling(pool: str | None) -> Pooling | None:
    if pool in (None, *Pooling):
        return None if pool is None else Pooling(pool)
    raise UsageError(f"`pool` must be {' or '.join(Pooling)}, not {pool!r}")


class Embeddings:
    """The vectors of a recording; NumPy functions take it as an array.

    Attributes:
        data: shape (segments, dimensions), float32.
        shape: of `data`.
        dtype: of `data`.
        starts_s: start of each segment in seconds of the recording, shape (segments,).
        ends_s: end of each segment, shape (segments,).
        silent: whether a segment is silence, shape (segments,).
        model: name of the model.
        dimensions: length of a vector.
        duration_s: seconds that were read.
    """

    def __init__(self, clip: ClipEmbeddings) -> None:
        self._clip = clip
        self.data = clip.vectors
        self.shape = self.data.shape
        self.dtype = self.data.dtype
        self.starts_s = clip.starts_s
        self.ends_s = clip.ends_s
        self.silent = clip.silent
        self.model = clip.info.model
        self.dimensions = clip.info.dimensions
        self.duration_s = clip.duration_s

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.data, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        return self.data[index]

    def to_dict(self) -> dict[str, Any]:
        """The result that `audiocnn embed --json` prints."""
        return EmbedView().document(self._clip)

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with a row a segment, and the columns of `audiocnn embed --csv`."""
        import pandas as pd

        from audiocnn_cli.datasets.embedding_rows import embedding_table

        return pd.DataFrame(embedding_table([self._clip]).to_pandas())

    def __repr__(self) -> str:
        return (
            f"<Embeddings by {self.model}: segments {self.shape[0]}, dimensions {self.shape[1]};"
            f" {self.duration_s:.2f} s>"
        )

    def _repr_html_(self) -> str:
        lengths = np.sqrt(np.square(self.data, dtype=np.float64).sum(axis=1))
        rows = [
            {"from": f"{start:.2f} s", "to": f"{end:.2f} s", "length": f"{length:.4g}"}
            for start, end, length in zip(self.starts_s, self.ends_s, lengths, strict=True)
        ]
        return notebook_html(self, rows)
