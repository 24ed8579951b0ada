"""Embed the clips of a training and their copies by several backbones, each decoded once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.load import load
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.run import Workers, run_batch
from audiocnn_cli.evaluation.labelled import content_hash
from audiocnn_cli.features.config import Feature
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models.inference import ModelStream, StreamingInference
from audiocnn_cli.models.session import Model, open_model
from audiocnn_cli.training.clips import ClipSet
from audiocnn_cli.training.heads.copies import NARROW_BAND, ORIGINAL, copies
from audiocnn_cli.training.heads.store import Embedding, Embeddings, EmbeddingStore

# Part of the key in the store: another number where copies are made in another way.
_VERSION = 2
# Shifted copies multiply the rows; sets larger than this have variety of their own.
_MOST_SHIFTED = 5000

# Called after each clip with how many are done, and of how many.
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class EmbeddedClips:
    """The embeddings of the clips of a set by one backbone, those of each clip in the order of `copies`."""

    clips: tuple[Embeddings, ...]

    @property
    def dimensions(self) -> int:
        """The length of an embedding."""
        return int(self.clips[0][ORIGINAL].numbers.shape[1])

    def original(self, clip: int) -> Embedding:
        """The embedding of a clip as it is."""
        return self.clips[clip][ORIGINAL]

    def narrow_band(self, clip: int) -> Embedding:
        """The embedding of the 8 kHz copy of a clip; of the clip, where it has no other band."""
        return self.clips[clip].get(NARROW_BAND.name, self.original(clip))


@dataclass(frozen=True, slots=True)
class Embed:
    """The batch's task: the embeddings of a clip, and with `copies` of its copies, by each of the models.

    With `shifts` those by models of waveforms have shifted copies too.
    """

    models: tuple[Path, ...]
    copies: bool
    shifts: bool
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    @property
    def files(self) -> tuple[Path, ...]:
        """The model files."""
        return self.models

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with the models read from other paths."""
        return replace(self, models=tuple(moved[path] for path in self.models))

    def prepare(self) -> Callable[[Source], tuple[Embeddings, ...]]:
        """Open the models, and return the function that embeds one recording.

        Raises:
            ModelRefusedError: a model does not match its contract.
        """
        models = [open_model(path) for path in self.models]
        return lambda source: self._embed(source, models)

    def _embed(self, source: Source, models: Sequence[Model]) -> tuple[Embeddings, ...]:
        signal = load(source)
        found = []
        for model in models:
            embeddings = {ORIGINAL: _embedding(signal.samples, signal.sample_rate, model)}
            if self.copies:
                made = copies(
                    signal.samples,
                    signal.sample_rate,
                    segment_s=model.contract.segment_s,
                    pad_short=model.contract.segment.pad_short,
                    shifts=self.shifts and model.contract.features.feature is Feature.WAVEFORM,
                )
                for copy in made:
                    embeddings[copy.name] = _embedding(copy.samples, signal.sample_rate, model)
            found.append(embeddings)
        return tuple(found)


def _embedding(samples: NDArray[np.float32], sample_rate: int, model: Model) -> Embedding:
    """The embeddings of mono samples, cut into segments as in use.

    Raises:
        SignalError: they are shorter than one analysis frame.
    """
    inference = StreamingInference([ModelStream(model, embedding=True)], source_rate=sample_rate)
    inference.push(samples)
    (scores,) = inference.finish()
    return Embedding(scores.probabilities, scores.silent)


def embed_clips(
    clips: ClipSet, models: Sequence[Path], store: EmbeddingStore, *, copies: bool, report: Report
) -> tuple[ClipSet, dict[Path, EmbeddedClips]]:
    """The clips that could be embedded, and their embeddings by each model; from `store` where it has them.

    With `copies` the clips' copies are embedded too.

    Raises:
        ModelRefusedError: a model does not match its contract.
        UsageError: a model has no embedding.
        AudiocnnError: a class has no usable clip.
        OutputError: the store can't be written.
    """
    shifts = len(clips) <= _MOST_SHIFTED
    keys = {path: _key(path, copies=copies, shifts=shifts) for path in models}
    contents = {clip.source.path: clip.content for clip in clips.clips}
    known = {c: [store.find(keys[path], c) for path in models] for c in set(contents.values())}
    missing = [clip.source for clip in clips.clips if not all(known[clip.content])]
    done = len(clips) - len(missing)
    failures = []
    outcomes = run_batch(missing, Embed(tuple(models), copies, shifts), workers=Workers())
    for source, outcome in zip(missing, outcomes, strict=True):
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            content = contents[source.path]
            for path, found in zip(models, outcome, strict=True):
                store.add(keys[path], content, found)
            known[content] = list(outcome)
        done += 1
        report(done, len(clips))
    clips = clips.without(failures)
    rows = [known[clip.content] for clip in clips.clips]
    embedded = {path: EmbeddedClips(tuple(row[i] for row in rows)) for i, path in enumerate(models)}
    return clips, embedded


def _key(path: Path, *, copies: bool, shifts: bool) -> str:
    which = "shifted" if copies and shifts else "copied" if copies else "original"
    return f"{content_hash(str(path))} {which} {_VERSION}"
