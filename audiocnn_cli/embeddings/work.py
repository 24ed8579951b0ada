"""Embedding as a batch task: it is pickled, and opens its models in the process that runs it."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import gate
from audiocnn_cli.embeddings.choice import BACKBONES, GENERAL
from audiocnn_cli.embeddings.clip import (
    DEFAULTS,
    ClipEmbeddings,
    Embedder,
    EmbeddingInfo,
    EmbedOptions,
    clip_embeddings,
    embed,
    file_sha256,
    run_streams,
)
from audiocnn_cli.embeddings.search import Query, queries_of
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models import runtime
from audiocnn_cli.models.inference import ModelStream
from audiocnn_cli.models.session import Model, open_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """The batch task of `embed`; the model is opened once a worker.

    Args:
        model: the model file.
        provider: execution provider of ONNX Runtime, by its short name.
        options: of each clip.
    """

    model: Path
    provider: str = runtime.CPU
    options: EmbedOptions = DEFAULTS
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    @property
    def files(self) -> tuple[Path, ...]:
        """The model file."""
        return (self.model,)

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with the model read from another path."""
        return replace(self, model=moved[self.model])

    def prepare(self) -> Callable[[Source], ClipEmbeddings]:
        """Open the model and return the function that embeds one input.

        Raises:
            ModelRefusedError: the file is not a valid model.
            UsageError: the execution provider is not installed.
        """
        embedder = opened(self.model, self.provider)
        return lambda source: embed(source, embedder, self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingByType:
    """As `Embedding`, with the backbone for the type of sound of each clip, in one pass over its samples.

    For a source that can be read only once: all backbones run, and the gate selects one at the end.

    Args:
        models: the file of each backbone, in the order of `BACKBONES`.
        gate: the file of the model of the type of sound.
        provider: as in `Embedding`.
        options: as in `Embedding`.
    """

    models: tuple[Path, ...]
    gate: Path
    provider: str = runtime.CPU
    options: EmbedOptions = DEFAULTS
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    @property
    def files(self) -> tuple[Path, ...]:
        """The model files."""
        return (*self.models, self.gate)

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with the models read from other paths."""
        return replace(self, models=tuple(moved[path] for path in self.models), gate=moved[self.gate])

    def prepare(self) -> Callable[[Source], ClipEmbeddings]:
        """Open the models and return the function that embeds one input.

        Raises:
            ModelRefusedError, UsageError: as `Embedding.prepare`.
        """
        embedders = [opened(path, self.provider) for path in self.models]
        backbones = dict(zip(BACKBONES.values(), embedders, strict=True))
        by_gate = open_model(self.gate, provider=self.provider)
        return lambda source: _embed_by_type(source, backbones, by_gate, self.options)


def _embed_by_type(
    source: Source, backbones: Mapping[str, Embedder], by_gate: Model, options: EmbedOptions
) -> ClipEmbeddings:
    streams = [embedder.stream(options) for embedder in backbones.values()]
    streams.append(ModelStream(by_gate, sparse=True))
    offset_s, scores = run_streams(source, streams, options.excerpt)
    type_ = gate.sound_type(scores[-1], by_gate).name
    name = GENERAL if scores[-1].is_silent else BACKBONES.get(type_, GENERAL)
    found = scores[list(backbones).index(name)]
    return clip_embeddings(source, backbones[name], found, options, offset_s=offset_s)


@dataclass(frozen=True, slots=True)
class Querying:
    """The batch task of `search`: embed a clip and return its queries, one, or one for each segment."""

    embedding: Embedding
    each_segment: bool = False
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    @property
    def files(self) -> tuple[Path, ...]:
        """The model file."""
        return self.embedding.files

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with the model read from another path."""
        return replace(self, embedding=self.embedding.with_files(moved))

    def prepare(self) -> Callable[[Source], tuple[Query, ...]]:
        """Open the model and return the function that makes the queries of one input.

        Raises:
            ModelRefusedError, UsageError: as `Embedding.prepare`.
        """
        work = self.embedding.prepare()
        return lambda source: queries_of(work(source), each_segment=self.each_segment)


@lru_cache(maxsize=16)
def opened(path: Path, provider: str = runtime.CPU) -> Embedder:
    """The opened model at `path`; each file is opened once in a process.

    Raises:
        ModelRefusedError, UsageError: as `open_model`.
    """
    return Embedder(open_model(path, provider=provider), file_sha256(path))


class EmbeddingCodec:
    """Embeddings in a journal: arrays as the base64 of their bytes, little-endian."""

    def pack(self, result: ClipEmbeddings) -> Any:
        """The fields as values that JSON represents."""
        arrays = {name: _packed(getattr(result, name), type_) for name, type_ in _ARRAYS.items()}
        others = {name: getattr(result, name) for name in result.__dataclass_fields__ if name not in arrays}
        return {**msgspec.to_builtins(others), **arrays}

    def unpack(self, values: Any) -> ClipEmbeddings:
        """The result that `pack` was given."""
        arrays = {name: _unpacked(values[name], type_) for name, type_ in _ARRAYS.items()}
        info = msgspec.convert(values["info"], EmbeddingInfo)
        found = ClipEmbeddings(**{**values, **arrays, "info": info, "rest": TailHandling(values["rest"])})
        return found if found.data is None else replace(found, data=found.data.reshape(len(found), -1))


_ARRAYS = {"starts_s": "<f8", "ends_s": "<f8", "silent": "|b1", "data": "<f4"}


def _packed(array: NDArray[Any] | None, type_: str) -> str | None:
    return None if array is None else base64.b64encode(array.astype(type_).tobytes()).decode()


def _unpacked(text: str | None, type_: str) -> NDArray[Any] | None:
    return None if text is None else np.frombuffer(base64.b64decode(text), dtype=type_)
