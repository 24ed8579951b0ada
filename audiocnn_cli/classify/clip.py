"""Classify one recording: by an ensemble, or by the model for its type of sound."""

from collections.abc import Sequence

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import gate
from audiocnn_cli.classify.auto import classify_auto
from audiocnn_cli.classify.ensemble import AutoModels, Ensemble, mean_scores, mean_signature
from audiocnn_cli.classify.options import DEFAULTS, ClassifyOptions
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.classify.scored import Clip, GateResult, prediction_of, push_all
from audiocnn_cli.models.inference import StreamingInference
from audiocnn_cli.models.scores import ClipScores
from audiocnn_cli.models.signature import Signature


def classify(
    source: Source, models: Ensemble | AutoModels, options: ClassifyOptions = DEFAULTS
) -> Prediction:
    """Label `source` by the mean probabilities of its segments; of equal ones the first label is taken.

    Raises:
        SignalError: the source can't be read, or is too short.
    """
    if isinstance(models, AutoModels):
        return classify_auto(source, models, options)
    streams = models.streams(options)
    clip, inference = push_all(source, options, lambda rate: StreamingInference(streams, source_rate=rate))
    return predict(clip, inference.finish(), models, options)


def predict(
    clip: Clip, scores: Sequence[ClipScores], ensemble: Ensemble, options: ClassifyOptions
) -> Prediction:
    """The prediction for a clip from the scores of each stream of an ensemble."""
    signatures: list[Signature] = [model.signature for model in ensemble.models]
    signature, mean = mean_signature(signatures), mean_scores(signatures, scores[: len(signatures)])
    if ensemble.gate is None:
        return prediction_of(clip, signature, mean, options)
    expected, by_gate = signature.sound_type, scores[-1]
    sound = gate.sound_type(by_gate, ensemble.gate)
    gated = GateResult(
        sound,
        reason=gate.mismatch(sound, expected, ensemble.gate),
        reasons=gate.mismatches(by_gate, expected, ensemble.gate, mean),
    )
    return prediction_of(clip, signature, mean, options, gated)
