"""The functions for Python: the numbers of the commands, arrays, results, and errors without flags."""

import doctest
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import audiocnn_cli as audiocnn
from audiocnn_cli import api
from audiocnn_cli.audio.arrays import scaled
from audiocnn_cli.features.config import FeatureConfig
from tests.conftest import Finished

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
CHORDS = EXAMPLES / "chords.ogg"
Run = Callable[..., Finished]


def noise(rate: int = 16000, seconds: float = 1.5, channels: int = 1) -> np.ndarray[Any, Any]:
    """Noise of shape (n,) or (n, channels)."""
    shape = (int(rate * seconds), channels)
    found = 0.1 * np.random.default_rng(3).standard_normal(shape)
    return found[:, 0] if channels == 1 else found


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, audiocnn_cli; print([m for m in ('numpy', 'typer', 'rich') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_the_functions_stay_when_the_sub_packages_of_their_names_are_imported() -> None:
    code = (
        "import audiocnn_cli as a\n"
        "import audiocnn_cli.features.config, audiocnn_cli.shapes.trace, audiocnn_cli.classify.clip\n"
        "from audiocnn_cli.features import config\n"
        "print(callable(a.features), callable(a.shapes), callable(a.classify), config.FeatureConfig)\n"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith("True True True <class")


def test_the_examples_of_the_docstrings_run() -> None:
    for module in (api.labels, api.stacks, api.tensors):
        tried = doctest.testmod(module)
        assert tried.attempted > 1
        assert tried.failed == 0


def test_features_takes_each_setting_by_its_name() -> None:
    names = set(inspect.signature(audiocnn.features).parameters)
    assert {field.name for field in fields(FeatureConfig)} <= names
    assert {"offset", "duration", "segments", "segment", "overlap", "rest", "summary"} <= names


def test_features_are_those_of_the_command(run: Run, tmp_path: Path) -> None:
    options = ["--n-mfcc", "20", "--sr", "16000", "--hop-length", "160", "--no-center"]
    assert run("features", CHORDS, *options, "-o", tmp_path / "f.npz").exit_code == 0
    found = audiocnn.features(CHORDS, n_mfcc=20, sample_rate=16000, hop_length=160, center=False)
    with np.load(tmp_path / "f.npz") as written:
        np.testing.assert_array_equal(found.data, written["data"])
        np.testing.assert_array_equal(found.times_s, written["times_s"])
    assert found.config.n_mfcc == 20
    assert found.shape == found.data.shape == np.asarray(found).shape
    assert len(found) == len(found.data)
    np.testing.assert_array_equal(found[3], found.data[3])


def test_an_array_gives_what_its_file_gives(tmp_path: Path) -> None:
    samples = noise(16000, channels=2)
    soundfile.write(tmp_path / "x.wav", samples, 16000, subtype="FLOAT")
    from_file = audiocnn.features(str(tmp_path / "x.wav"), sample_rate=8000, feature="logmel", n_mels=40)
    from_array = audiocnn.features(
        samples.astype(np.float32), source_sample_rate=16000, sample_rate=8000, feature="logmel", n_mels=40
    )  # fmt: skip
    np.testing.assert_array_equal(from_file.data, from_array.data)
    assert from_array.frequencies_hz is not None
    assert len(from_array.frequencies_hz) == 40
    parts = audiocnn.features(samples, sample_rate=16000, feature="rms", channels=True)
    assert parts.shape[-1] == 2


def test_top_db_none_is_no_floor() -> None:
    clip = np.concatenate([noise(), 1e-9 * noise()])
    floored = audiocnn.features(clip, sample_rate=16000, feature="logmel")
    without = audiocnn.features(clip, sample_rate=16000, feature="logmel", top_db=None)
    assert without.data.min() < floored.data.min() - 5


@given(st.sampled_from(["int8", "int16", "int32", "uint8", "uint16", "int64"]))
def test_integers_are_scaled_by_their_full_scale(name: str) -> None:
    info = np.iinfo(name)
    ends = scaled(np.array([info.min, info.max], dtype=name))
    assert ends[0] == -1
    assert ends[1] == pytest.approx(1, abs=2.0 ** (2 - min(info.bits, 24)))


def test_integer_samples_give_the_features_of_the_floats() -> None:
    integers = (noise() * 2**15).astype(np.int16)
    as_floats = audiocnn.features(integers / 2.0**15, sample_rate=16000)
    np.testing.assert_array_equal(audiocnn.features(integers, sample_rate=16000).data, as_floats.data)


def test_labels_are_those_of_the_command(run: Run) -> None:
    (expected,) = run("classify", CHORDS, "--model", "genre-cnn", "--json").document["results"]
    found = audiocnn.classify(CHORDS, "genre-cnn")
    assert (found.label, found.probability) == (expected["label"], expected["probability"])
    assert [each.label for each in found.top] == [each["label"] for each in expected["top"]]
    assert found.probabilities.shape == (expected["segments"], 10)
    assert json.dumps(found.to_dict())


def test_auto_is_the_default(run: Run) -> None:
    rain = EXAMPLES / "rain.ogg"
    (expected,) = run("classify", rain, "--model", "auto", "--json").document["results"]
    found = audiocnn.classify(rain)
    assert (found.model, found.label) == (expected["model"], expected["label"])


def test_a_model_is_callable_on_samples() -> None:
    model = audiocnn.load_model("digits")
    samples, rate = soundfile.read(CHORDS)
    by_array = model(samples, sample_rate=rate, threshold=0)
    assert by_array.label == audiocnn.classify(CHORDS, "digits", threshold=0).label
    assert len(model.labels) == 10
    assert model.sample_rate == 16000
    assert model.contract.name == "digits"
    assert model(np.zeros(8000), sample_rate=8000).reason == "silence"


def test_shapes_are_those_of_the_command(run: Run) -> None:
    expected = run("shapes", "--arch", "cnn", "--json").document
    found = audiocnn.shapes(arch="cnn")
    assert list(found.output) == expected["output"]
    assert (found.params, found.macs) == (expected["params"], expected["macs"])
    assert json.loads(json.dumps(found.to_dict())) == expected
    assert audiocnn.shapes("130x13", "flatten", "dense:10").output == (10,)


def test_a_stack_that_can_not_be_built_says_what_would_help() -> None:
    with pytest.raises(audiocnn.AudiocnnError) as caught:
        audiocnn.shapes((31, 2, 64), "relu", "conv:32@3x3")
    error: Any = caught.value
    assert len(error.stack) == 1
    assert error.fixes


def test_results_convert_to_pandas_and_html() -> None:
    tensor = audiocnn.features(noise(), sample_rate=16000, n_mfcc=4)
    frame = tensor.to_pandas()
    assert list(frame.columns) == ["path", "segment", "frame", "time_s"] + [f"mfcc_{i}" for i in range(4)]
    np.testing.assert_array_equal(frame[["mfcc_0", "mfcc_3"]].to_numpy(), tensor.data[:, [0, 3]])
    stack = audiocnn.shapes((130, 13, 1), "conv:32@3x3", "flatten", "dense:10")
    assert len(stack.to_pandas()) == len(stack) == 3
    labels = audiocnn.classify(CHORDS, "genre-cnn")
    assert len(labels.to_pandas()) == len(labels.timeline)
    for result in (tensor, stack, labels):
        page = result._repr_html_()
        assert page.count("<tr>") > 2
        assert repr(result)[1:20] in page.replace("&lt;", "<")[0:200]


BAD: list[tuple[str, Callable[[], object]]] = [
    ("hop_length", lambda: audiocnn.features(CHORDS, hop_length=-1)),
    ("n_fft", lambda: audiocnn.features(CHORDS, n_fft=0)),
    ("window", lambda: audiocnn.features(CHORDS, window="round")),
    ("feature", lambda: audiocnn.features(CHORDS, feature="smell")),
    ("statistic", lambda: audiocnn.features(CHORDS, summary="mood")),
    ("segment", lambda: audiocnn.features(CHORDS, segment=100)),
    ("overlap", lambda: audiocnn.features(CHORDS, overlap=0.5)),
    ("offset", lambda: audiocnn.features(CHORDS, offset=1e4)),
    ("no such file", lambda: audiocnn.features("gone.wav")),
    ("not an audio file", lambda: audiocnn.features(__file__)),
    ("sample_rate", lambda: audiocnn.features(noise())),
    ("samples.T", lambda: audiocnn.features(noise(channels=2).T, sample_rate=16000)),
    ("shape", lambda: audiocnn.features(np.zeros((2, 3, 4)), sample_rate=16000)),
    ("type", lambda: audiocnn.features(np.array(["a"]), sample_rate=16000)),
    ("full scale", lambda: audiocnn.features(noise() * 2**15, sample_rate=16000)),
    ("no samples", lambda: audiocnn.features(np.zeros(0), sample_rate=16000)),
    ("NaN", lambda: audiocnn.features(np.full(9000, np.nan), sample_rate=16000)),
    ("threshold", lambda: audiocnn.classify(CHORDS, threshold=2)),
    ("overlap", lambda: audiocnn.classify(CHORDS, overlap=1)),
    ("smooth", lambda: audiocnn.classify(CHORDS, smooth=-1)),
    ("no model", lambda: audiocnn.load_model("gone")),
    ("short", lambda: audiocnn.classify(noise(seconds=0.01), sample_rate=16000)),
    ("arch", lambda: audiocnn.shapes(arch="gone")),
    ("input", lambda: audiocnn.shapes(None, "conv:3@3x3")),
    ("layer", lambda: audiocnn.shapes((10, 10, 1), "convolve:3")),
    ("layers", lambda: audiocnn.shapes((10, 10, 1))),
    ("framework", lambda: audiocnn.shapes((10, 10, 1), "relu", framework="jax")),
    ("fit", lambda: audiocnn.shapes((31, 2, 64), "conv:32@3x3")),
]


@pytest.mark.parametrize(("named", "call"), BAD, ids=[f"{i}-{name}" for i, (name, _) in enumerate(BAD)])
def test_errors_name_the_parameter_and_no_flag(named: str, call: Callable[[], object]) -> None:
    with pytest.raises(audiocnn.AudiocnnError) as caught:
        call()
    said = " ".join([str(caught.value), *getattr(caught.value, "fixes", ())])
    assert named in said
    assert not re.search(r"(?<![\w-])--?[a-z]", said)
