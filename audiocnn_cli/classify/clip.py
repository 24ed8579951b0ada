"""One clip through the models: decoded once, heard by all, and what is to be said of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import gate
from audiocnn_cli.classify.ensemble import Ensemble, joined
from audiocnn_cli.classify.grid import Grid, brought_onto, grid_of, smoothed
from audiocnn_cli.classify.options import DEFAULTS, ClassifyOptions
from audiocnn_cli.classify.prediction import Prediction, SoundType
from audiocnn_cli.classify.timeline import Clock, Rules, events, timeline
from audiocnn_cli.models.inference import ClipProbabilities, StreamingInference
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Signature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Heard:
    """What the models of a ensemble said of a source, in the order of its listeners.

    It was heard from `start_s` on; `recording_s` is the length that its file promises, 0 where unknown.
    """

    source: Source
    clips: tuple[ClipProbabilities, ...]
    start_s: float = 0.0
    recording_s: float = 0.0


def classify(source: Source, ensemble: Ensemble, options: ClassifyOptions = DEFAULTS) -> Prediction:
    """Label `source`: the mean of its segments' probabilities, ties in the order of the labels.

    Raises:
        SignalError: the source can't be used.
    """
    with open_audio(source) as reader:
        info = reader.info
        start_s = options.excerpt.span(info)[0] / info.sample_rate
        hearing = StreamingInference(ensemble.listeners(options), source_rate=info.sample_rate)
        for block in mono_blocks(reader, sample_rate=info.sample_rate, excerpt=options.excerpt):
            hearing.push(block)
    return predict(Heard(source, hearing.finish(), start_s, info.duration_s), ensemble, options)


def predict(heard: Heard, ensemble: Ensemble, options: ClassifyOptions) -> Prediction:
    """What is to be said of a source that all models of `ensemble` have heard."""
    if ensemble.gate is None:
        return _prediction(heard, _answer(ensemble.models, heard.clips), options)
    sound = gate.sound_type(heard.clips[-1], ensemble.gate)
    if not ensemble.auto:
        answer = _answer(ensemble.models, heard.clips)
        return _prediction(
            heard, answer, options, gated=_Gated(ensemble.gate, heard.clips[-1], sound)
        )
    sure = gate.is_sure(sound, ensemble.gate)
    for model, clip in zip(ensemble.models, heard.clips, strict=False):
        if sure and model.signature.sound_type == sound.name:
            gated = _Gated(ensemble.gate, heard.clips[-1], sound)
            return _prediction(heard, _answer([model], [clip]), options, gated=gated)
    missing = f"this is {sound.name}, for which auto has no model" if sure else gate.UNCLEAR
    own = _answer([ensemble.gate], heard.clips[-1:])
    return _prediction(heard, own, options, sound=sound, instead=missing)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The probabilities of the clip and of its segments, by one model or by several together."""

    signature: Signature
    clip: ClipProbabilities
    grid: Grid
    mean: "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class _Gated:
    """The gate, and what it said."""

    model: Model
    clip: ClipProbabilities
    sound: SoundType


def _answer(models: Sequence[Model], clips: Sequence[ClipProbabilities]) -> _Answer:
    """The mean over the models, on the segments of the first."""
    import numpy as np

    signature = joined([model.signature for model in models])
    grids = [
        grid_of(clip, model.signature.features.sample_rate)
        for model, clip in zip(models, clips, strict=False)
    ]
    first = grids[0]
    if len(models) == 1:
        return _Answer(signature, clips[0], first, clips[0].mean)
    rows, means = [], []
    for model, clip, grid in zip(models, clips, grids, strict=False):
        order = [model.signature.labels.index(label) for label in signature.labels]
        rows.append(brought_onto(grid, first)[:, order])
        means.append(clip.mean[order])
    together = replace(first, probabilities=np.mean(rows, axis=0, dtype=np.float32))
    return _Answer(signature, clips[0], together, np.mean(means, axis=0))


def _prediction(
    heard: Heard,
    answer: _Answer,
    options: ClassifyOptions,
    *,
    gated: _Gated | None = None,
    sound: SoundType | None = None,
    instead: str | None = None,
) -> Prediction:
    """`instead` is the reason why none of the labels is said, of the clip and of its segments."""
    signature, grid = answer.signature, answer.grid
    rules = Rules.of(signature, options.thresholds)
    clock = Clock(grid.rate, heard.start_s)
    objection, objections = instead, [instead] * len(grid.starts)
    if gated is not None:
        sound = gated.sound
        objection = gate.objection(sound, signature.sound_type, gated.model)
        objections = gate.objections(gated.clip, signature.sound_type, gated.model, grid)
    labels = rules.holding(answer.mean)
    reason = rules.reason(labels, silent=answer.clip.silent, objection=objection)
    ranked = sorted(rules.candidates(answer.mean), key=lambda candidate: -candidate.probability)
    grid = smoothed(grid, options.smooth_s)
    entries = timeline(grid, rules, clock, objections)
    duration_s = answer.clip.samples / grid.rate
    return Prediction(
        path=heard.source.path,
        name=heard.source.name,
        model=signature.name,
        labels=labels if reason is None or rules.always else (),
        reason=reason,
        top=tuple(ranked[: options.top]),
        timeline=entries,
        events=events(grid, entries, clock, shortest_s=options.min_event_s),
        duration_s=duration_s,
        recording_s=max(heard.recording_s, heard.start_s + duration_s),
        rest=answer.clip.rest,
        rest_s=answer.clip.rest_samples / grid.rate,
        highest_hz=signature.features.effective_fmax,
        sound_type=sound,
    )
