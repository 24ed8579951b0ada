"""What is looked into is what runs: every tensor on the way, and the sound that a label rests on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.audio.load import Excerpt
from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.features.cepstrum import cepstral_basis
from audiocnn_cli.features.config import Dialect, Feature, FeatureConfig
from audiocnn_cli.features.extract import extract
from audiocnn_cli.features.mel import mel_edges
from audiocnn_cli.inspection import cells, occlusion
from audiocnn_cli.inspection.cells import band_edges, split, window
from audiocnn_cli.inspection.layers import trace_layers
from audiocnn_cli.inspection.occlusion import Why, explain_label
from audiocnn_cli.inspection.stages import Pipeline
from audiocnn_cli.inspection.trace import trace
from audiocnn_cli.models.contract import METADATA_KEY, encode
from audiocnn_cli.models.inference import ModelStream
from audiocnn_cli.models.registry import ModelFile, bundled_models
from audiocnn_cli.models.session import Model, open_model
from audiocnn_cli.models.signature import Activation
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, write_good_model
from tests.shapes.graphs import genre_cnn, model, real_shapes, save, weights
from tests.signals import tones_and_noise

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
RATE = 8000


# Layers: what ONNX Runtime gives, beside what is predicted.


def inputs(path: Path, array: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    return {onnx.load(path).graph.input[0].name: array}


@pytest.mark.parametrize("bundled", bundled_models(), ids=lambda each: each.name)
def test_every_layer_of_every_bundled_model_has_the_predicted_shape(bundled: ModelFile) -> None:
    contract = open_model(bundled.path).contract
    fed = np.random.default_rng(1).standard_normal((1, *contract.input_shape)).astype(np.float32)
    graph = trace_layers(bundled.path, inputs(bundled.path, fed))
    assert len(graph.layers) >= 4
    assert all(layer.agrees for layer in graph.layers)
    proto = onnx.load(bundled.path)
    real = set(real_shapes(proto, fed.shape).values())
    assert {layer.runtime_shape for layer in graph.layers} <= real
    assert sum(layer.ms for layer in graph.layers) > 0


def foreign_models() -> list[Any]:
    node = helper.make_node
    recurrent = [numpy_helper.from_array(np.full((1, 20, 7), 0.1, np.float32), "w"),
                 numpy_helper.from_array(np.full((1, 20, 5), 0.1, np.float32), "r")]  # fmt: skip
    lstm = [
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        node("LSTM", ["t", "w", "r"], ["", "h"], hidden_size=5),
        node("Squeeze", ["h", "zero"], ["y"]),
    ]
    zero = numpy_helper.from_array(np.array([0]), "zero")
    sequence = [
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        node("LSTM", ["t", "w", "r"], ["y"], hidden_size=5),
    ]
    images = [
        node("Conv", ["x", "k"], ["c"], strides=[2, 1], auto_pad="SAME_UPPER"),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["m"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        node("GlobalAveragePool", ["m"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("MatMul", ["f", "d"], ["logits"]),
        node("Add", ["logits", "b"], ["biased"]),
        node("Sigmoid", ["biased"], ["y"]),
    ]
    constants = [weights("k", 4, 1, 3, 3), weights("d", 4, 3), weights("b", 3)]
    waves = [node("Conv", ["x", "k"], ["c"], strides=[4]), node("Flatten", ["c"], ["y"])]
    return [
        pytest.param(genre_cnn(), (1, 130, 13), 8, id="genre"),
        pytest.param(model(lstm, ["n", 9, 7], [*recurrent, zero]), (1, 9, 7), 1, id="lstm"),
        pytest.param(model(sequence, ["n", 9, 7], recurrent), (1, 9, 7), 1, id="lstm-sequence"),
        pytest.param(model(images, ["n", 1, "h", 21], constants), (1, 1, 30, 21), 5, id="channels-first"),
        pytest.param(model(waves, ["n", 1, 800], [weights("k", 6, 1, 16)]), (1, 1, 800), 2, id="waveform"),
    ]


@pytest.mark.parametrize(("made", "shape", "layers"), foreign_models())
def test_every_layer_of_foreign_models_has_the_predicted_shape(
    made: Any, shape: tuple[int, ...], layers: int, tmp_path: Path
) -> None:
    path = save(made, tmp_path / "m.onnx")
    graph = trace_layers(path, inputs(path, np.ones(shape, np.float32)))
    assert len(graph.layers) >= layers
    assert all(layer.agrees for layer in graph.layers), graph
    real = set(real_shapes(made, shape).values())
    assert {layer.runtime_shape for layer in graph.layers} <= real


def test_a_layer_that_differs_is_said_to(tmp_path: Path) -> None:
    path = save(genre_cnn(), tmp_path / "m.onnx")
    graph = trace_layers(path, inputs(path, np.ones((1, 130, 13), np.float32)))
    first = graph.layers[0]
    assert first.shape == (128, 11, 32)
    assert not replace(first, predicted=(128, 11, 31)).agrees
    assert not replace(first, predicted=(128, 11)).agrees
    assert replace(first, predicted=("frames", 11, 32)).agrees


# Stages: the same numbers as `extract`, the shapes that `features.explain` predicts.


@pytest.mark.parametrize(
    "config",
    [
        FeatureConfig(sample_rate=RATE, n_fft=256, hop_length=100, n_mels=20, n_mfcc=7),
        FeatureConfig(sample_rate=11025, feature=Feature.LOGMEL, delta=2, n_mels=30, n_fft=512),
        FeatureConfig(sample_rate=RATE, feature=Feature.STFT, n_fft=300, center=False, power=2),
        FeatureConfig(sample_rate=RATE, feature=Feature.CHROMA, tuning=0.0),
        FeatureConfig(sample_rate=RATE, feature=Feature.WAVEFORM),
        FeatureConfig(
            sample_rate=RATE, like=Dialect.KALDI, n_fft=256, win_length=200, hop_length=80,
            sample_scale=32768.0, preemphasis=0.97, remove_dc=True, use_energy=True, n_mels=23,
        ),
    ],
    ids=lambda config: f"{config.like}-{config.feature}",
)  # fmt: skip
def test_stages_give_what_extract_gives(config: FeatureConfig, make_wav: MakeWav) -> None:
    samples = np.stack([tones_and_noise(40000, seed) for seed in (1, 2)], axis=1)
    path = make_wav("stereo.wav", 0.1 * samples, rate=16000, subtype="FLOAT")
    segment = SegmentConfig(length=5000, hop=3000)
    pipeline = Pipeline(Source(str(path)), config, segment, Excerpt(offset_s=0.25))
    for each, tensor in pipeline.tensors():
        assert np.array_equal(tensor, extract(each.samples, config))
    stages = pipeline.stages()
    assert all(stage.agrees for stage in stages), [
        (stage.stage.name, stage.shape, stage.stage.shape) for stage in stages
    ]
    assert stages[0].shape == (36000, 2)
    assert [stage.stage.name for stage in stages][1:3] == ["mix down", "resample"]
    assert all(stage.ms >= 0 for stage in stages)


def test_a_trace_ends_with_the_answer(tmp_path: Path, make_wav: MakeWav) -> None:
    opened = open_model(write_good_model(tmp_path / "tiny.onnx"))
    traced = trace(Source(str(make_wav(rate=RATE))), ModelStream(opened))
    assert traced.agrees
    assert [stage.stage.name for stage in traced.stages][-2:] == ["model", "mean"]
    assert traced.stages[-2].shape == (4, 3)
    values = traced.stages[0].values
    assert values is not None
    assert values.low == pytest.approx(-values.high, rel=0.5)


# Bands, by analytic signals.


def test_bands_add_up_and_a_tone_is_in_its_own() -> None:
    edges = band_edges(RATE, per_octave=1)
    assert edges == (0.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 4000.0)
    each = [(band, band) for band in range(6)]
    sound = np.random.default_rng(3).standard_normal(6001).astype(np.float32)
    bands = split(sound, edges, each, sample_rate=RATE)
    assert bands.sum(axis=0) == pytest.approx(sound, abs=1e-5)
    upper, all_of_it = split(sound, edges, [(2, 5), (0, 5)], sample_rate=RATE)
    assert upper == pytest.approx(bands[2:].sum(axis=0), abs=1e-5)
    assert all_of_it == pytest.approx(sound, abs=1e-5)
    tone = np.sin(2 * np.pi * 1100 * np.arange(8000) / RATE).astype(np.float32)
    energies = (split(tone, edges, each, sample_rate=RATE) ** 2).sum(axis=1)
    assert energies.argmax() == 4
    assert energies[4] / energies.sum() > 0.9999


def test_a_part_is_inside_its_times_and_fades() -> None:
    at = np.arange(2000)
    weights = window(500, 900, at, sample_rate=RATE)
    assert weights[:440].max() == 0
    assert weights[541:860].min() == 1
    assert weights[500] == pytest.approx(0.5, abs=0.01)
    together = weights + window(900, 1500, at, sample_rate=RATE)
    assert together[600:1400] == pytest.approx(1, abs=1e-6)


# Occlusion, by models that hear only what was planted in them.


def planted(
    path: Path,
    *,
    feature: Feature = Feature.LOGMEL,
    band_hz: tuple[float, float] = (800, 1600),
    frames: slice = slice(15, 25),
    activation: Activation = Activation.SOFTMAX,
) -> ModelStream:
    """A model whose `hum` is the loudness of one band in some frames of its segment, and nothing else."""
    features = replace(CONTRACT.features, feature=feature, n_mels=20, n_mfcc=20, top_db=None)
    centres = mel_edges(features)[1:-1]
    heard = np.zeros((41, 20), np.float32)
    heard[frames, (band_hz[0] <= centres) & (centres < band_hz[1])] = 1.0
    heard /= heard.sum()
    if feature is Feature.MFCC:  # with all coefficients the DCT turns, and loses nothing
        heard = (heard @ cepstral_basis(features)).astype(np.float32)
    matrix = np.zeros((41 * 20, 3), np.float32)
    matrix[:, 0] = 0.2 * heard.reshape(-1)
    kind = "Softmax" if activation is Activation.SOFTMAX else "Sigmoid"
    nodes = [
        helper.make_node("Flatten", ["features"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "bias"], ["logits"]),
        helper.make_node(kind, ["logits"], ["probabilities"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "planted",
        [value("features", TensorProto.FLOAT, ["n", 41, 20, 1])],
        [value("probabilities", TensorProto.FLOAT, ["n", 3])],
        [
            numpy_helper.from_array(matrix, "matrix"),
            numpy_helper.from_array(np.array([8.0, 0.0, 0.0], np.float32), "bias"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    contract = replace(
        CONTRACT, features=features, input_shape=(41, 20, 1), activation=activation, name="planted"
    )
    helper.set_model_props(made, {METADATA_KEY: encode(contract)})
    onnx.save(made, path)
    return ModelStream(open_model(path))


def noise(seconds: float) -> NDArray[np.float64]:
    return 0.05 * np.random.default_rng(4).standard_normal(int(seconds * RATE))


def peak(why: Why) -> tuple[float, float, float, float]:
    """Where the largest drop is: from, to, lowest and highest frequency."""
    column, band = np.unravel_index(int(np.nanargmax(why.drops)), why.drops.shape)
    return (
        why.times_s[column], why.times_s[column + 1], why.bands_hz[band], why.bands_hz[band + 1]
    )  # fmt: skip


@pytest.mark.parametrize("feature", [Feature.LOGMEL, Feature.MFCC])
@pytest.mark.parametrize("activation", [Activation.SOFTMAX, Activation.SIGMOID])
@pytest.mark.parametrize(
    ("band_hz", "frames", "when"),
    [((800, 1600), slice(15, 25), (0.18, 0.32)), ((400, 800), slice(28, 38), (0.34, 0.48))],
    ids=["early and high", "late and low"],
)
def test_a_planted_part_is_found(
    feature: Feature,
    activation: Activation,
    band_hz: tuple[float, float],
    frames: slice,
    when: tuple[float, float],
    tmp_path: Path,
    make_wav: MakeWav,
) -> None:
    listener = planted(
        tmp_path / "planted.onnx",
        feature=feature, band_hz=band_hz, frames=frames, activation=activation,
    )  # fmt: skip
    source = Source(str(make_wav(samples=noise(0.5), rate=RATE)))
    why = explain_label(source, listener, "hum")
    low_s, high_s, low_hz, high_hz = peak(why)
    assert when[0] <= (low_s + high_s) / 2 <= when[1]
    assert band_hz[0] * 0.9 <= (low_hz + high_hz) / 2 <= band_hz[1] * 1.1
    first = why.spans[0]
    assert first.start_s < sum(when) / 2 < first.end_s
    assert first.end_s - first.start_s < 0.25
    assert first.low_hz < sum(band_hz) / 2 < first.high_hz
    assert first.after < first.before - 0.02
    # Nothing anywhere else: the other halves of time and frequency weigh a hundredth of it at most.
    far = np.array([abs(t - sum(when) / 2) > 0.15 for t in why.times_s[:-1]])
    assert np.abs(why.drops[far]).max() < 0.01 * why.drops.max()


def test_of_several_segments_the_one_with_the_sound_counts(tmp_path: Path, make_wav: MakeWav) -> None:
    samples = np.concatenate([0.001 * noise(1.0), noise(0.5), 0.001 * noise(1.0)])
    source = Source(str(make_wav(samples=samples, rate=RATE, subtype="FLOAT")))
    why = explain_label(source, planted(tmp_path / "planted.onnx"), "hum", Excerpt(offset_s=0.5))
    assert why.times_s[0] == 0.5
    assert 1.15 < peak(why)[0] < 1.35
    assert 1.1 < why.spans[0].start_s < why.spans[0].end_s < 1.4


def test_a_clip_that_is_repeated_loses_all_its_copies(tmp_path: Path, make_wav: MakeWav) -> None:
    source = Source(str(make_wav(samples=noise(0.2), rate=RATE)))
    # These frames hear the second copy, from 0.05 to 0.1 s of the clip.
    why = explain_label(source, planted(tmp_path / "planted.onnx", frames=slice(20, 24)), "hum")
    assert why.times_s[-1] == pytest.approx(0.2)
    assert 0.05 <= peak(why)[0] <= 0.1
    assert why.drops.max() > 0.01


def test_what_speaks_against_a_label_is_negative(tmp_path: Path, make_wav: MakeWav) -> None:
    source = Source(str(make_wav(samples=noise(0.5), rate=RATE)))
    why = explain_label(source, planted(tmp_path / "planted.onnx"), "hiss")
    assert why.drops.min() < 0
    assert why.drops.max() < 0.01 * -why.drops.min()


def test_the_work_is_bounded_and_the_same_each_time(
    tmp_path: Path, make_wav: MakeWav, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = planted(tmp_path / "planted.onnx")
    asked = 0
    ask = Model.scores

    def counted(self: Model, tensors: NDArray[np.float32], **options: Any) -> NDArray[np.float32]:
        nonlocal asked
        asked += len(tensors)
        return ask(self, tensors, **options)

    monkeypatch.setattr(Model, "scores", counted)
    monkeypatch.setattr(cells, "MOST_RUNS", 60)
    source = Source(str(make_wav(samples=noise(20), rate=RATE)))
    why = explain_label(source, listener, "hum")
    assert (why.segments, why.searched) == (40, 10)
    assert np.isnan(why.drops).any(axis=1).sum() == 30
    # Each segment as it is, the parts, and the spans in the segments that they touch.
    assert asked <= 40 + 60 + occlusion._MOST_SPANS * 10
    again = explain_label(source, listener, "hum")
    assert np.array_equal(why.drops, again.drops, equal_nan=True)
    assert why.spans == again.spans


def test_silence_rests_on_nothing(tmp_path: Path, make_wav: MakeWav) -> None:
    source = Source(str(make_wav(samples=np.zeros(RATE), rate=RATE)))
    why = explain_label(source, planted(tmp_path / "planted.onnx"), "hum")
    assert why.spans == ()
    assert why.segments == 0
    assert np.isnan(why.drops).all()


# The command.


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_good_model(tmp_path / "tiny.onnx")


def test_trace_as_json(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    finished = run("classify", make_wav(rate=16000), "--model", tiny, "--trace", "--json")
    (result,) = finished.document["results"]
    traced = result["trace"]
    assert traced["agrees"] is True
    names = [stage["stage"] for stage in traced["stages"]]
    assert names[:3] == ["decode", "resample", "segments"]
    assert [layer["shape"] for layer in traced["layers"]] == [[287], [3], [3]][: len(traced["layers"])]
    for each in (*traced["stages"], *traced["layers"]):
        assert each["shape"] == each["predicted"]
        assert each["ms"] >= 0


def test_why_in_words(run: Run, tmp_path: Path, make_wav: MakeWav) -> None:
    path = planted(tmp_path / "planted.onnx").model.path
    finished = run("classify", make_wav(samples=noise(0.5), rate=RATE), "--model", path, "--why")
    assert finished.exit_code == 0
    (said,) = [line for line in finished.stdout.splitlines() if line.startswith("hum rests")]
    assert "attenuated by 30 dB, its probability there falls from" in said
    assert " Hz" in said


def test_rows_of_trace_and_why(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    clip = make_wav(rate=RATE)
    traced = run("classify", clip, "--model", tiny, "--trace", "--csv").stdout.splitlines()
    assert traced[0] == "path,name,shape,predicted,agrees,ms"
    cells = run("classify", clip, "--model", tiny, "--why", "--csv").stdout.splitlines()
    assert cells[0] == "path,label,start_s,end_s,low_hz,high_hz,drop"
    both = run("classify", clip, "--model", tiny, "--trace", "--why", "--csv")
    assert both.exit_code == 2
    assert "give one of them" in both.stderr


def test_a_stream_is_not_read_twice(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    clip = make_wav(rate=RATE)
    finished = run("classify", "-", "--model", tiny, "--why", stdin=clip.read_bytes())
    assert finished.exit_code == 2
    assert "write the stream to a file" in finished.stderr


def test_an_ensemble_is_not_looked_into(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    finished = run("classify", make_wav(rate=RATE), "--ensemble", f"{tiny},{tiny}", "--trace")
    assert finished.exit_code == 2
    assert "leave out --ensemble" in finished.stderr


def test_label_formats_have_no_place_for_it(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    clip = make_wav(rate=RATE)
    finished = run("classify", clip, "--model", tiny, "--why", "--format", "audacity")
    assert finished.exit_code == 2
    assert "leave out the --format of labels" in finished.stderr
    elsewhere = run("classify", "--model", tiny, make_wav(), "--trace", "--provider", "tensorrt")
    assert elsewhere.exit_code == 2
    assert "--trace runs each layer on the processor: leave out --provider" in elsewhere.stderr


def test_a_foreign_model_is_traced_and_explained(run: Run, tmp_path: Path, make_wav: MakeWav) -> None:
    pytest.importorskip("audiocnn_cli.models.adopt")
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "d", "b"], ["y"]),
    ]
    constants = [weights("k", 4, 1, 3, 3), weights("d", 4, 3), weights("b", 3)]
    path = save(model(nodes, ["n", 1, 41, 20], constants), tmp_path / "foreign.onnx")
    labels = tmp_path / "labels.txt"
    labels.write_text("one\ntwo\nthree\n")
    added = run(
        "models", "add", path, "--labels", labels, "--sr", "8000", "--n-fft", "256", "--hop", "100",
        "--feature", "logmel", "--n-mels", "20", "--name", "added",
    )  # fmt: skip
    assert added.exit_code == 0, added.stderr
    clip = make_wav(rate=16000)
    finished = run("classify", clip, "--model", "added", "--trace", "--why", "--offset", "0.5", "--json")
    assert finished.exit_code == 0, finished.stderr
    (result,) = finished.document["results"]
    assert result["trace"]["agrees"] is True
    first = result["trace"]["layers"][0]
    assert first["shape"] == [20, 9, 4]
    assert first["runtime_shape"] == [1, 4, 20, 9]
    assert result["why"]["times_s"][0] == 0.5
