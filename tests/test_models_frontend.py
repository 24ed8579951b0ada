"""The front end in ONNX gives what the Python path gives, piece by piece and as a whole."""

import json
import subprocess
import sys
import textwrap
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from audiocnn_cli.audio.segments import SegmentConfig, cut
from audiocnn_cli.features.cepstrum import cepstral_basis
from audiocnn_cli.features.config import DctNorm, Dialect, Feature, FeatureConfig, Log, MelNorm, Window
from audiocnn_cli.features.extract import extract
from audiocnn_cli.features.framing import PadMode
from audiocnn_cli.models.contract import ModelContract
from audiocnn_cli.models.frontend.export import segments
from audiocnn_cli.models.frontend.features import GraphBuilder, features
from tests.conftest import Finished
from tests.numerics import EPS, assert_close, mfcc_scale
from tests.onnx_models import CONTRACT, write_good_model

Run = Callable[..., Finished]


def run_graph(builder: GraphBuilder, output: str, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """What ONNX Runtime gives for samples of shape (n, samples) at the graph's input `x`."""
    graph = helper.make_graph(
        builder.nodes,
        "part",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "samples"])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        builder.constants,
    )
    opset = helper.make_opsetid("", builder.opset)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, {"x": samples})
    return np.asarray(found)


def noise(samples: int, *, clips: int = 1) -> NDArray[np.float32]:
    """Noise that swells from -80 dB to -10 dB, so that a floor below the maximum has something to cut."""
    random = np.random.default_rng(samples)
    swell = 10 ** np.linspace(-4, -0.5, samples)
    return (swell * random.standard_normal((clips, samples))).astype(np.float32)


def in_onnx(samples: NDArray[np.float32], config: FeatureConfig, *, opset: int) -> NDArray[np.float32]:
    builder = GraphBuilder(opset=opset)
    output = features(builder, "x", config, length=samples.shape[1])
    return run_graph(builder, output, samples)


@st.composite
def configs(draw: st.DrawFn) -> FeatureConfig:
    n_fft = draw(st.integers(16, 700))
    n_mels = draw(st.integers(2, 24))
    return FeatureConfig(
        feature=draw(st.sampled_from([Feature.MFCC, Feature.LOGMEL, Feature.MEL])),
        sample_rate=draw(st.sampled_from([8000, 22050, 44100])),
        n_fft=n_fft,
        hop_length=draw(st.integers(1, 2 * n_fft)),
        win_length=draw(st.none() | st.integers(n_fft // 2, n_fft)),
        window=draw(st.sampled_from(list(Window))),
        center=draw(st.booleans()),
        pad_mode=draw(st.sampled_from(list(PadMode))),
        n_mels=n_mels,
        n_mfcc=draw(st.integers(1, n_mels)),
        fmin=draw(st.sampled_from([0.0, 60.0])),
        fmax=draw(st.sampled_from([None, 3500.0])),
        htk=draw(st.booleans()),
        mel_norm=draw(st.sampled_from(list(MelNorm))),
        top_db=draw(st.sampled_from([None, 80.0, 20.0])),
        power=draw(st.sampled_from([None, 1])),
        log=draw(st.sampled_from(list(Log))),
        like=draw(st.sampled_from([Dialect.LIBROSA, Dialect.TORCHAUDIO])),
        sample_scale=draw(st.sampled_from([1.0, 3.0])),
        dct_norm=draw(st.sampled_from(list(DctNorm))),
        lifter=draw(st.sampled_from([0.0, 22.0])),
    )


@given(config=configs(), extra=st.integers(0, 900), opset=st.sampled_from([13, 17, 18, 21]))
@settings(max_examples=60, deadline=None)
def test_features_equal_the_python_path(config: FeatureConfig, extra: int, opset: int) -> None:
    clips = noise(config.n_fft + extra, clips=2)
    found = in_onnx(clips, config, opset=opset)
    expected = np.stack([extract(samples, config) for samples in clips])
    assert found.shape == expected.shape
    if config.feature is Feature.MEL:
        assert_close(found, expected, relative=100 * EPS)
        return
    # Levels of a bin far below the loudest are those of rounding errors in both: 0.05 of 100 dB.
    mfcc = config.feature is Feature.MFCC
    norm = float(np.linalg.norm(cepstral_basis(config), axis=0).max()) if mfcc else 1.0
    assert_close(found, expected, relative=5e-4, scale=100 * max(1.0, norm))


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("htk", [True, False])
@pytest.mark.parametrize("n_fft", [2048, 1200, 1021])
def test_mfcc_equal_librosa(center: bool, htk: bool, n_fft: int) -> None:
    config = FeatureConfig(center=center, htk=htk, n_fft=n_fft, hop_length=500, n_mels=40)
    samples = noise(22050)
    expected = librosa.feature.mfcc(
        y=samples[0], sr=22050, n_fft=n_fft, hop_length=500, n_mels=40, n_mfcc=13, htk=htk, center=center
    )
    found = in_onnx(samples, config, opset=18)
    assert_close(found[0], expected.T, relative=300 * EPS, scale=mfcc_scale(40))


@given(samples=st.integers(1, 400), length=st.integers(1, 100), overlap=st.floats(0, 0.9))
@example(samples=15, length=10, overlap=0.0)  # a rest of exactly half a segment
@settings(deadline=None)
def test_a_clip_is_cut_as_in_python(samples: int, length: int, overlap: float) -> None:
    config = SegmentConfig(length=length, hop=max(1, round(length * (1 - overlap))))
    clips = noise(samples, clips=2)
    builder = GraphBuilder(opset=18)
    found = run_graph(builder, segments(builder, "x", config), clips)
    expected = [segment.samples for clip in clips for segment in cut([clip], config)]
    np.testing.assert_array_equal(found, np.stack(expected))


def contract_of(config: FeatureConfig, *, members: int = 1) -> ModelContract:
    """A contract of segments of half a second."""
    segment = SegmentConfig(length=config.sample_rate // 2, hop=config.sample_rate // 3)
    shape = (config.n_frames(segment.length), config.n_bins, 1)
    return replace(CONTRACT, features=config, segment=segment, input_shape=shape, members=members)


def program_of_the_page() -> str:
    page = (Path(__file__).parent.parent / "docs" / "export.md").read_text()
    return textwrap.dedent(page.split("<!-- python -->")[1].split("<!-- end -->")[0])


def test_the_program_in_the_docs_labels_a_wav(
    run: Run, make_wav: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = make_wav("song.wav", rate=22050)
    run("models", "export", "genre-cnn", "--with-frontend", "-o", "genre.onnx")
    program = [sys.executable, "-I", "-c", program_of_the_page()]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()
    (expected,) = run("classify", clip, "--model", "genre-cnn", "--threshold", "0", "--json").document[
        "results"
    ]
    assert printed[0] == expected["label"]
    assert float(printed[1]) == pytest.approx(expected["probability"], abs=1e-3)


def label_with_onnx_runtime_alone(model: Path, clip: Path) -> tuple[str, list[float]]:
    """The label of a WAV file, by a program that has ONNX Runtime and Python's `wave` module."""
    session = onnxruntime.InferenceSession(model)
    known = session.get_modelmeta().custom_metadata_map
    with wave.open(str(clip)) as file:
        assert (file.getframerate(), file.getnchannels()) == (int(known["sample_rate"]), 1)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    waveform = (samples / np.float32(32768)).reshape(1, -1)
    (found,) = session.run(["probabilities"], {"waveform": waveform})
    probabilities = found[0].tolist()
    return json.loads(known["labels"])[probabilities.index(max(probabilities))], probabilities


@pytest.mark.parametrize("top_db", [None, 80.0])
@pytest.mark.parametrize("mel_norm", list(MelNorm))
@pytest.mark.parametrize(
    ("feature", "htk", "center"),
    [("mfcc", True, True), ("mfcc", False, False), ("logmel", True, False), ("logmel", False, True)],
)
@pytest.mark.parametrize("seconds", [0.31, 1.7])
def test_onnx_runtime_alone_labels_a_wav(
    feature: str,
    htk: bool,
    center: bool,
    mel_norm: MelNorm,
    top_db: float | None,
    seconds: float,
    run: Run,
    make_wav: Callable[..., Path],
    tmp_path: Path,
) -> None:
    config = FeatureConfig(
        feature=Feature(feature),
        sample_rate=16000,
        n_fft=512,
        hop_length=200,
        n_mels=30,
        n_mfcc=9,
        htk=htk,
        center=center,
        mel_norm=mel_norm,
        top_db=top_db,
    )
    contract = contract_of(config)
    model = write_good_model(tmp_path / "m.onnx", contract, shape=contract.input_shape)
    clip = make_wav("clip.wav", noise(int(seconds * 16000))[0], rate=16000)
    exported = tmp_path / "whole.onnx"
    finished = run("models", "export", model, "--with-frontend", "-o", exported, "--json")
    assert finished.exit_code == 0, finished.stderr
    assert finished.document["difference"] < 1e-3
    label, probabilities = label_with_onnx_runtime_alone(exported, clip)
    (result,) = run("classify", clip, "--model", model, "--threshold", "0", "--json").document["results"]
    assert label == result["label"]
    by_label = {candidate["label"]: candidate["probability"] for candidate in result["top"]}
    np.testing.assert_allclose(probabilities, [by_label[name] for name in CONTRACT.labels], atol=1e-4)


def test_only_standard_operators_and_one_output(run: Run, tmp_path: Path) -> None:
    contract = contract_of(FeatureConfig(sample_rate=8000, n_fft=256, n_mels=20), members=3)
    model = write_good_model(tmp_path / "m.onnx", contract, shape=contract.input_shape)
    exported = tmp_path / "whole.onnx"
    run("models", "export", model, "--with-frontend", "-o", exported)
    whole = onnx.load(exported)
    assert {node.domain for node in whole.graph.node} == {""}
    assert [output.name for output in whole.graph.output] == ["probabilities"]
    assert all(node.op_type != "STFT" for node in whole.graph.node)


def test_several_clips_at_once_and_none(run: Run, tmp_path: Path) -> None:
    model = write_good_model(tmp_path / "m.onnx")
    exported = tmp_path / "whole.onnx"
    run("models", "export", model, "--with-frontend", "-o", exported)
    session = onnxruntime.InferenceSession(exported)
    clips = noise(9000, clips=3)
    (together,) = session.run(None, {"waveform": clips})
    alone = [session.run(None, {"waveform": clip[None]})[0][0] for clip in clips]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    with pytest.raises(Exception, match="indices element out of data bounds"):
        session.run(None, {"waveform": clips[:, :0]})


def test_a_front_end_that_differs_is_not_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiocnn_cli.models.frontend.features.FLOORS", {Log.DB: 1e-2})
    exported = tmp_path / "whole.onnx"
    model = write_good_model(tmp_path / "m.onnx")
    finished = run("models", "export", model, "--with-frontend", "-o", exported)
    assert (finished.exit_code, finished.stderr.count("\n")) == (4, 1)
    assert not exported.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"preemphasis": 0.97}, "preemphasis"), ({"like": Dialect.KALDI}, "kaldi"), ({"delta": 1}, "delta")],
)
def test_features_that_it_can_not_build_are_refused(
    changes: dict[str, Any], message: str, run: Run, tmp_path: Path
) -> None:
    contract = contract_of(FeatureConfig(sample_rate=8000, n_fft=256, hop_length=100, n_mels=20, **changes))
    model = write_good_model(tmp_path / "m.onnx", contract, shape=contract.input_shape)
    finished = run("models", "export", model, "--with-frontend", "-o", tmp_path / "x.onnx")
    assert (finished.exit_code, finished.stderr.count("\n")) == (4, 1)
    assert message in finished.stderr


def test_operators_that_are_too_old_are_refused(run: Run, tmp_path: Path) -> None:
    path = write_good_model(tmp_path / "old.onnx")
    old = onnx.load(path)
    old.opset_import[0].version = 11
    onnx.save(old, path)
    finished = run("models", "export", path, "--with-frontend", "-o", tmp_path / "x.onnx")
    assert finished.exit_code == 4
    assert "version 11" in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("genre-cnn", "-o", "x.onnx"), 2),
        (("genre-cnn", "--with-frontend", "-o", "x.bin"), 2),
        (("nope", "--with-frontend", "-o", "x.onnx"), 4),
        (("genre-cnn", "--with-frontend", "-o", "/proc/no/x.onnx"), 3),
    ],
)
def test_what_can_not_be_exported(arguments: tuple[str, ...], code: int, run: Run) -> None:
    finished = run("models", "export", *arguments)
    assert (finished.exit_code, finished.stderr.count("\n")) == (code, 1)
