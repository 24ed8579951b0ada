"""`audiocnn train` without `--arch`: heads on pre-trained networks, on signals and backbones made here."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import soundfile
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.evaluation.labelled import Grouping, content_hash
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.models.contract import METADATA_KEY, DataStatement, Golden, ModelContract, Notice, encode
from audiocnn_cli.models.golden import golden_output
from audiocnn_cli.models.session import open_model
from audiocnn_cli.models.signature import Activation, Kind
from audiocnn_cli.training.clips import read_clips
from audiocnn_cli.training.heads import choose
from audiocnn_cli.training.heads.copies import copies
from audiocnn_cli.training.heads.embed import embed_clips
from audiocnn_cli.training.heads.fit import STRENGTHS, Side, fit_heads, side_of
from audiocnn_cli.training.heads.store import Embedding, open_store
from audiocnn_cli.training.heads.validate import clip_means, fit_temperature
from tests.conftest import Finished
from tests.onnx_models import write_good_model

Run = Callable[..., Finished]
RATE, MELS, LENGTH = 8000, 24, 4000
FEATURES = FeatureConfig(
    feature=Feature.MEL, sample_rate=RATE, n_fft=256, hop_length=100, n_mels=MELS, center=False
)
FRAMES = FEATURES.n_frames(LENGTH)
NOTICE = Notice(work="Tiny", source="example.org", licence="MIT", text="Keep\n\nthis notice.")


def write_backbone(path: Path, *, opset: int = 18, **changes: Any) -> Path:
    """The mean log-mel spectrum of half a second, as a backbone with its contract."""
    value = helper.make_tensor_value_info
    constants = [numpy_helper.from_array(np.array(number, dtype=kind), name) for name, number, kind in
                 (("small", 1e-4, np.float32), ("time", [1], np.int64))]  # fmt: skip
    nodes = [
        helper.make_node("Add", ["features", "small"], ["positive"]),
        helper.make_node("Log", ["positive"], ["log"]),
        helper.make_node("ReduceMean", ["log", "time"], ["embedding"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("features", TensorProto.FLOAT, ["n", FRAMES, MELS])],
        [value("embedding", TensorProto.FLOAT, ["n", MELS])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    contract = ModelContract(
        name="tiny",
        kind=Kind.EMBEDDING,
        task="spectra",
        features=FEATURES,
        segment=SegmentConfig(length=LENGTH, hop=LENGTH),
        input_shape=(FRAMES, MELS),
        activation=Activation.NONE,
        dimensions=MELS,
        data=DataStatement(name="none", licence="CC0"),
        golden=Golden(duration_s=1.3, values=(0.0,) * MELS),
        architecture="mean log-mel",
        command="none",
        notices=(NOTICE,),
    )
    contract = replace(contract, **changes)

    def save() -> None:
        helper.set_model_props(model, {METADATA_KEY: encode(contract)})
        path.write_bytes(model.SerializeToString())

    save()
    values = golden_output(open_model(path), duration_s=1.3)
    contract = replace(contract, golden=replace(contract.golden, values=values))
    save()
    return path


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbone(tmp_path_factory.mktemp("backbone") / "tiny.onnx")


def write_clips(root: Path, label: str, count: int, hz: float, *, spread: float = 0.1, seed: int = 0) -> None:
    """Tones of about `hz` with noise, 0.3 to 1.4 s."""
    random = np.random.default_rng([seed, int(hz)])
    (root / label).mkdir(parents=True)
    for i in range(count):
        t = np.arange(int(RATE * random.uniform(0.3, 1.4))) / RATE
        tone = np.sin(2 * np.pi * hz * random.uniform(1 - spread, 1 + spread) * t)
        sound = 0.3 * tone + 0.05 * random.standard_normal(len(t))
        soundfile.write(root / label / f"{i:02}.wav", sound, RATE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "tones"
    for label, hz in (("low", 300), ("middle", 600), ("high", 1200)):
        write_clips(root, label, 10, hz, spread=0.4)
    return root


def train(run: Run, folder: Path, output: Path, *options: str | Path) -> Finished:
    return run("train", folder, "-o", output, "--cache", output.parent / "cache", "--json", *options)


def test_what_is_trained_can_be_used(run: Run, folder: Path, backbone: Path, tmp_path: Path) -> None:
    output = tmp_path / "tones.onnx"
    trained = train(run, folder, output, "--backbone", backbone)
    assert trained.exit_code == 0, trained.stderr
    assert trained.document["accuracy"] > 0.8
    assert trained.document["held_out_clips"] == 30
    assert trained.stderr.rstrip().endswith(f"wrote {output}; next: audiocnn classify FILES --model {output}")
    assert run("models", "verify", output).exit_code == 0
    again = run("evaluate", folder, "--model", output, "--json").document
    assert again == trained.document | {"robustness": []}
    remade = run("evaluate", "--all", folder.parent, "--model", output, "--json").document
    assert all(figure["agrees"] for figure in remade["figures"]), remade
    assert {figure["figure"] for figure in remade["figures"]} >= {
        "accuracy over clips", "accuracy over clips, 8 kHz copy", "expected calibration error (ECE)",
    }  # fmt: skip
    labelled = run("classify", folder / "high", "--model", output, "--threshold", "0", "--json").document
    assert sum(result["label"] == "high" for result in labelled["results"]) >= 8
    contract = open_model(output).contract
    assert (contract.members, contract.dimensions, contract.threshold) == (5, MELS, 0.5)
    assert contract.notices == (NOTICE,)
    card = output.with_suffix(".md").read_text()
    assert f"**{again['accuracy']:.3f}**" in card
    assert "> Keep\n>\n> this notice." in card
    assert "| 8 |" in card.partition("## Learning curve")[2]


def test_the_file_with_its_front_end_gives_the_same(
    run: Run, folder: Path, backbone: Path, tmp_path: Path
) -> None:
    output, whole = tmp_path / "tones.onnx", tmp_path / "whole.onnx"
    assert train(run, folder, output, "--backbone", backbone).exit_code == 0
    assert run("models", "export", output, "--with-frontend", "-o", whole).exit_code == 0
    clip = folder / "low" / "03.wav"
    samples, _ = soundfile.read(clip, dtype="float32")
    session = onnxruntime.InferenceSession(whole.read_bytes())
    found = session.run(["probabilities"], {"waveform": samples[None]})[0][0]
    (result,) = run("classify", clip, "--model", output, "--threshold", "0", "--json").document["results"]
    expected = {each["label"]: each["probability"] for each in result["top"]}
    labels = open_model(output).contract.labels
    for label, probability in expected.items():
        assert found[labels.index(label)] == pytest.approx(probability, abs=1e-3)


def features_of(clip: Path, backbone: Path) -> NDArray[np.float32]:
    """The embeddings of a clip's segments by librosa and NumPy, with the segments of `audio.segments`."""
    import librosa

    samples, _ = soundfile.read(clip, dtype="float32")
    count = max(1, len(samples) // LENGTH)
    starts = [i * LENGTH for i in range(count)]
    if len(samples) > LENGTH and 2 * (len(samples) - count * LENGTH) >= LENGTH:
        starts.append(len(samples) - LENGTH)
    rows = []
    for start in starts:
        piece = np.resize(samples[start : start + LENGTH], LENGTH)
        mel = librosa.feature.melspectrogram(
            y=piece, sr=RATE, n_fft=256, hop_length=100, n_mels=MELS, center=False
        )
        rows.append(np.log(mel + 1e-4).mean(axis=1))
    return np.array(rows)


def test_each_member_is_scikit_learns_pipeline_on_the_other_folds(
    run: Run, folder: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fitted to librosa's spectra; the temperature is found from the file. Clips at 8 kHz have no copies."""
    monkeypatch.setattr("audiocnn_cli.training.heads.validate.STRENGTHS", (1e-2,))
    monkeypatch.setattr("audiocnn_cli.training.heads.fit._TOLERANCE", 1e-8)
    output = tmp_path / "m.onnx"
    options = ("--backbone", backbone, "--folds", "3", "--bits", "32")
    assert train(run, folder, output, *options).exit_code == 0
    model = open_model(output)
    clips = sorted(folder.glob("*/*.wav"))
    rows = [features_of(clip, backbone) for clip in clips]
    fold = np.array([model.contract.training_clips[content_hash(str(clip))] for clip in clips])
    session = onnxruntime.InferenceSession(output.read_bytes())
    temperatures = []
    for member in (0, 1, 2, None):
        used = [i for i in range(len(clips)) if fold[i] != member]
        x = np.concatenate([rows[i] for i in used])
        y = np.concatenate([[clips[i].parent.name] * len(rows[i]) for i in used])
        balanced = compute_sample_weight("balanced", [clips[i].parent.name for i in used])
        shares = zip(balanced, used, strict=True)
        w = np.concatenate([[share / len(rows[i])] * len(rows[i]) for share, i in shares])
        even = np.concatenate([[1 / len(rows[i])] * len(rows[i]) for i in used])
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=1e-2, tol=1e-8, max_iter=1000))
        names = {"standardscaler__sample_weight": even, "logisticregression__sample_weight": w}
        pipeline.fit(x, y, **names)
        order = [list(pipeline.classes_).index(label) for label in model.contract.labels]
        expected = pipeline.decision_function(x)[:, order]
        tensors = np.concatenate([_tensors(clips[i]) for i in used])
        whole, members, embedding = session.run(
            ["probabilities", "member_probabilities", "embedding"], {"features": tensors}
        )
        np.testing.assert_allclose(embedding, x, atol=2e-3)
        found = np.log(whole if member is None else members[:, member])
        # Logarithms of probabilities are logits up to a constant a row, and divided by the temperature.
        found -= found.mean(axis=1, keepdims=True)
        expected -= expected.mean(axis=1, keepdims=True)
        temperatures.append(float((expected * expected).sum() / (expected * found).sum()))
        np.testing.assert_allclose(found * temperatures[-1], expected, atol=2e-3 * np.abs(expected).max())
    np.testing.assert_allclose(temperatures, temperatures[0], rtol=1e-2)


def _tensors(clip: Path) -> NDArray[np.float32]:
    from audiocnn_cli.audio.segments import cut
    from audiocnn_cli.features.extract import extract

    samples, _ = soundfile.read(clip, dtype="float32")
    pieces = cut([samples], SegmentConfig(length=LENGTH, hop=LENGTH))
    return np.stack([extract(piece.samples, FEATURES) for piece in pieces])


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("count", [12, 200])
def test_a_head_is_logistic_regression(classes: int, count: int, folder: Path) -> None:
    """Also with fewer rows than dimensions, where the rows are rotated first."""
    random = np.random.default_rng(count + classes)
    rows = random.standard_normal((count, 30)) * random.uniform(0.1, 10, 30) + 3
    truth = np.arange(count) % classes
    rows[np.arange(count), truth] += 2
    weights = random.uniform(0.2, 1, count)
    found = read_clips(folder, grouping=Grouping())
    names = tuple("abcd"[:classes])
    clips = tuple(replace(found.clips[0], label=names[i]) for i in truth)
    clip_set = replace(found, labels=names, clips=clips, groups=tuple(map(str, range(count))))
    heads = fit_heads(Side(rows, np.arange(count), weights), clip_set, STRENGTHS)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTHS[-1], tol=1e-6, max_iter=2000))
    named = {"standardscaler__sample_weight": weights, "logisticregression__sample_weight": weights}
    pipeline.fit(rows, truth, **named)
    logits = heads[-1](rows)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = pipeline.predict_proba(rows)
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), expected, atol=0.01)


def test_the_temperature_makes_the_mean_confidence_the_accuracy() -> None:
    """Logits that are three times too large: the temperature found is near three."""
    random = np.random.default_rng(1)
    logits = random.standard_normal((4000, 5)) * 1.5
    powers = np.exp(logits)
    draws = (powers / powers.sum(axis=1, keepdims=True)).cumsum(axis=1)
    truth = (random.random((4000, 1)) < draws).argmax(axis=1)
    outputs = [row[None] * 3 for row in logits]
    assert fit_temperature(outputs, truth) == pytest.approx(3, rel=0.1)
    means = clip_means([np.log([[0.2, 0.8], [0.6, 0.4]]), np.log([[0.5, 0.5]])], 1.0)
    np.testing.assert_allclose(means, [[0.4, 0.6], [0.5, 0.5]])


def test_copies_have_the_bandwidth_and_the_shifts() -> None:
    rate = 16000
    t = np.arange(rate // 2) / rate
    samples = (np.sin(2 * np.pi * 1000 * t) + np.sin(2 * np.pi * 6000 * t)).astype(np.float32)
    made = list(copies(samples, rate, segment_s=0.5, pad_short=False, shifts=True))
    assert made[0].name == "8khz"
    spectrum = np.abs(np.fft.rfft(made[0].samples[2000:6000]))
    assert spectrum[1500] < 1e-3 * spectrum[250]
    assert len(made) == 6
    for each, sixths in zip(made[1:], range(1, 6), strict=True):
        np.testing.assert_array_equal(each.samples, np.roll(samples, round(sixths * 8000 / 6)))
    assert len(list(copies(samples, rate, segment_s=0.2, pad_short=False, shifts=True))) == 1
    assert len(list(copies(samples, rate, segment_s=0.5, pad_short=False, shifts=False))) == 1
    word = samples[:4000]
    padded = [each.samples for each in copies(word, rate, segment_s=1, pad_short=True, shifts=True)][1:]
    assert [len(each) for each in padded] == [16000] * 4
    assert [int(np.flatnonzero(each)[0]) - 6000 for each in padded] == [-2399, -1199, 1201, 2401]
    assert not list(copies(word, 8000, segment_s=0.1, pad_short=False, shifts=True))


def test_the_default_is_the_best_backbone(
    run: Run, folder: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backbone whose input has no more than two mel bands is worse."""
    blind = write_backbone(tmp_path / "blind.onnx", name="blind", features=replace(FEATURES, fmin=3800.0))
    monkeypatch.setattr(choose, "BACKBONES", (str(blind), str(backbone)))
    output = tmp_path / "m.onnx"
    finished = train(run, folder, output)
    assert finished.exit_code == 0, finished.stderr
    assert f"backbone {backbone}, by cross-validated accuracy: {backbone} " in finished.stderr
    assert open_model(output).contract.features == FEATURES


def test_three_short_clips_a_class_are_enough(run: Run, tmp_path: Path) -> None:
    """On the bundled backbones, in a process that has no PyTorch."""
    root, without = tmp_path / "data", tmp_path / "without"
    write_clips(root, "low", 3, 300)
    write_clips(root, "high", 3, 3000)
    without.mkdir()
    (without / "torch.py").write_text("raise ImportError('not installed')")
    code = f"import sys; sys.path.insert(0, {str(without)!r})\n"
    code += "from audiocnn_cli.commands.main import main; main()"
    output = tmp_path / "m.onnx"
    command = [
        sys.executable,
        "-c",
        code,
        "train",
        root,
        "-o",
        output,
        "--cache",
        tmp_path / "cache",
        "--json",
    ]
    finished = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert re.search(r"backbone \w+, by cross-validated accuracy: \w+ 1.000, \w+ [01]", finished.stderr)
    assert run("models", "verify", output).exit_code == 0


def test_an_interrupted_training_embeds_the_rest(folder: Path, backbone: Path, tmp_path: Path) -> None:
    clips = read_clips(folder, grouping=Grouping())

    def interrupt(done: int, total: int) -> None:
        if done == 12:
            raise KeyboardInterrupt

    seen: list[int] = []
    with open_store(tmp_path / "e.sqlite") as store, pytest.raises(KeyboardInterrupt):
        embed_clips(clips, [backbone], store, copies=True, report=interrupt)
    with open_store(tmp_path / "e.sqlite") as store:
        _, found = embed_clips(
            clips, [backbone], store, copies=True, report=lambda done, total: seen.append(done)
        )
        assert seen == list(range(13, 31))
        _, again = embed_clips(clips, [backbone], store, copies=True, report=lambda *_: seen.append(-1))
        assert -1 not in seen
    with open_store(tmp_path / "other.sqlite") as store:
        _, fresh = embed_clips(clips, [backbone], store, copies=True, report=lambda *_: None)
    for first, second in ((found, again), (found, fresh)):
        rows, other = (side_of(each[backbone], np.arange(30)).rows for each in (first, second))
        np.testing.assert_allclose(rows, other, atol=1e-5)


def test_a_damaged_store_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    path.write_bytes(b"no database" * 1000)
    with open_store(path) as store:
        embedding = Embedding(np.ones((2, 3), dtype=np.float32), np.array([False, True]))
        store.add("b", "c", {"original": embedding})
        found = store.find("b", "c")["original"]
        np.testing.assert_array_equal(found.numbers, embedding.numbers)
        np.testing.assert_array_equal(found.silent, embedding.silent)


def test_a_threshold_that_leaves_nothing_is_not_stored(run: Run, backbone: Path, tmp_path: Path) -> None:
    """Six classes of the same noise."""
    root = tmp_path / "noise"
    random = np.random.default_rng(0)
    for label in "abcdef":
        (root / label).mkdir(parents=True)
        for i in range(4):
            soundfile.write(root / label / f"{i}.wav", 0.1 * random.standard_normal(LENGTH), RATE)
    output = tmp_path / "m.onnx"
    finished = train(run, root, output, "--backbone", backbone)
    assert finished.exit_code == 0, finished.stderr
    assert "its threshold is 0, and its labels are guesses" in finished.stderr
    assert open_model(output).contract.threshold == 0
    assert "does not abstain unless" in output.with_suffix(".md").read_text()


def test_classes_of_different_sizes_weigh_the_same(run: Run, backbone: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_clips(root, "low", 60, 300)
    write_clips(root, "high", 4, 500)
    finished = train(run, root, tmp_path / "m.onnx", "--backbone", backbone)
    assert finished.exit_code == 0, finished.stderr
    assert "the class low has 60 clips and high has 4: all classes weigh the same" in finished.stderr
    assert finished.document["per_class"]["high"]["recall"] == 1


def test_clips_kept_apart_are_fitted_by_no_head(
    run: Run, folder: Path, backbone: Path, tmp_path: Path
) -> None:
    output = tmp_path / "m.onnx"
    trained = train(run, folder, output, "--backbone", backbone, "--keep-apart", r"0[0-2]\.")
    assert trained.exit_code == 0, trained.stderr
    assert (trained.document["clips"], trained.document["kept_apart"]["clips"]) == (21, 9)
    assert len(open_model(output).contract.training_clips) == 21


def test_an_embedding_from_elsewhere(run: Run, folder: Path, tmp_path: Path) -> None:
    """A graph with channels first, two rows a segment and another output beside the embedding."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Add", ["x", "small"], ["positive"]),
        helper.make_node("Log", ["positive"], ["log"]),
        helper.make_node("ReduceMean", ["log"], ["mean"], axes=[3], keepdims=0),
        helper.make_node("ReduceMax", ["log"], ["max"], axes=[3], keepdims=0),
        helper.make_node("Concat", ["mean", "max"], ["vectors"], axis=1),
        helper.make_node("MatMul", ["mean", "w"], ["z"]),
        helper.make_node("Squeeze", ["z", "one"], ["logits"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(1e-4, dtype=np.float32), "small"),
        numpy_helper.from_array(np.array([1]), "one"),
        numpy_helper.from_array(np.ones((MELS, 2), dtype=np.float32), "w"),
    ]
    outputs = [
        value("logits", TensorProto.FLOAT, ["n", 2]),
        value("vectors", TensorProto.FLOAT, ["n", 2, MELS]),
    ]
    inputs = [value("x", TensorProto.FLOAT, ["n", 1, MELS, FRAMES])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    bare, added = tmp_path / "bare.onnx", tmp_path / "added.onnx"
    bare.write_bytes(model.SerializeToString())
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\n")
    features = ("--feature", "mel", "--sr", "8000", "--n-fft", "256", "--hop", "100", "--n-mels", str(MELS))
    finished = run(
        "models", "add", bare, "--labels", labels, *features, "--no-center", "--segment", "0.5",
        "--output-name", "logits", "--embedding", "vectors", "--layout", "Nx1xFxT", "-o", added,
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    output = tmp_path / "m.onnx"
    trained = train(run, folder, output, "--backbone", added)
    assert trained.exit_code == 0, trained.stderr
    assert trained.document["accuracy"] > 0.8
    assert run("evaluate", folder, "--model", output, "--json").document["accuracy"] > 0.8
    tensors = _tensors(folder / "low" / "00.wav")
    expected = open_model(added).embeddings(tensors)
    np.testing.assert_allclose(open_model(output).embeddings(tensors), expected, rtol=1e-5)


def test_options_of_networks_are_named(run: Run, folder: Path, backbone: Path, tmp_path: Path) -> None:
    finished = train(run, folder, tmp_path / "m.onnx", "--backbone", backbone, "--epochs", "3", "--no-roll")
    assert finished.exit_code == 0
    assert "--epochs, --roll: for networks only, without effect on a head" in finished.stderr


def _one_clip(root: Path) -> None:
    write_clips(root, "low", 5, 300)
    write_clips(root, "high", 1, 3000)


def _one_class(root: Path) -> None:
    write_clips(root, "low", 5, 300)


def _too_short(root: Path) -> None:
    write_clips(root, "low", 5, 300)
    (root / "high").mkdir()
    for i in range(4):
        soundfile.write(root / "high" / f"{i}.wav", np.ones(100), RATE)


def _not_finite(root: Path) -> None:
    write_clips(root, "low", 5, 300)
    (root / "high").mkdir()
    for i in range(4):
        soundfile.write(root / "high" / f"{i}.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (_one_clip, 2, "has 1 clip of the class high to fit and to test; give 3 or more"),
        (_one_class, 2, "has 1 sub-folders"),
        (_too_short, 3, "no usable recording in the class high"),
        (_not_finite, 3, "no usable recording in the class high"),
    ],
)
def test_a_bad_set_ends_in_a_sentence(
    make: Callable[[Path], None], code: int, message: str, run: Run, backbone: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    make(root)
    output = tmp_path / "m.onnx"
    finished = train(run, root, output, "--backbone", backbone, "--quiet")
    assert finished.exit_code == code, finished.stderr
    assert message in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert not list(tmp_path.glob("m.*"))


def test_a_bad_backbone_ends_in_a_sentence(run: Run, folder: Path, backbone: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(backbone.read_bytes()[:-200])
    labelling = write_good_model(tmp_path / "labels.onnx")
    old = write_backbone(tmp_path / "old.onnx", opset=18)
    for name, code, message in (
        (str(cut), 4, "cut.onnx"),
        (str(labelling), 2, "has no embedding to fit a head on"),
        ("nothing", 4, "no model of that name"),
    ):
        finished = train(run, folder, tmp_path / "m.onnx", "--backbone", name, "--quiet")
        assert finished.exit_code == code, finished.stderr
        assert message in finished.stderr
        assert finished.stderr.count("\n") == 1
    both = train(run, folder, tmp_path / "m.onnx", "--backbone", old, "--arch", "cnn", "--quiet")
    assert both.exit_code == 2
    assert "leave out one of them" in both.stderr
    assert not list(tmp_path.glob("m.*"))


def test_silent_clips_train_and_a_bad_file_is_reported(
    run: Run, folder: Path, backbone: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(folder, root)
    soundfile.write(root / "low" / "silence.wav", np.zeros(RATE), RATE)
    (root / "low" / "bad.wav").write_text("no audio")
    finished = train(run, root, tmp_path / "m.onnx", "--backbone", backbone)
    assert finished.exit_code == 1
    assert "bad.wav" in finished.stderr
    assert finished.document["clips"] == 31
