"""What `audiocnn features` writes: tensors in every format, one file for all or one each, and settings."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.features.extract import extract
from audiocnn_cli.features.plan import Plan
from audiocnn_cli.features.result import extract_source
from audiocnn_cli.features.settings import (
    plan_from,
    read_settings,
    settings_of,
    settings_toml,
    typed_settings,
)
from tests.conftest import Finished
from tests.signals import tones_and_noise

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]


@pytest.fixture
def clips(make_wav: MakeWav, tmp_path: Path) -> Path:
    """A folder of two recordings, one of them in a folder of its own."""
    (tmp_path / "clips" / "deep").mkdir(parents=True)
    make_wav("clips/a.wav", tones_and_noise(40_000), subtype="FLOAT")
    make_wav("clips/deep/b.wav", tones_and_noise(30_000, seed=1), subtype="FLOAT")
    return tmp_path / "clips"


def expected(clips: Path, plan: Plan | None = None) -> list[Any]:
    plan = plan or Plan((FeatureConfig(),))
    names = ("a.wav", "deep/b.wav")
    return [extract_source(Source(str(clips / name)), plan).tensor.data for name in names]


def test_an_npz_of_one_recording_is_as_the_contract_has_it(run: Run, clips: Path, tmp_path: Path) -> None:
    finished = run("features", clips / "a.wav", "--feature", "logmel", "-o", tmp_path / "x.npz", "--json")
    assert finished.document["results"][0]["output"] == str(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert arrays["data"].shape == (79, 128)
        np.testing.assert_allclose(arrays["times_s"], np.arange(79) * 512 / 22050)
        assert arrays["frequencies_hz"].shape == (128,)
        meta = json.loads(str(arrays["meta"]))
        again = plan_from(typed_settings(meta["config"], origin="x.npz"))
        np.testing.assert_array_equal(arrays["data"], expected(clips, again)[0])
    assert meta["path"] == str(clips / "a.wav")
    assert meta["config"]["n_fft"] == 2048


def test_several_outputs_are_written_in_one_pass(
    run: Run, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a.npz", "b.parquet", "c.csv", "d.json", "e.txt", "folder/")
    given = [part for name in names for part in ("-o", f"{tmp_path}/out/{name}")]
    (tmp_path / "out").mkdir()
    finished = run("features", clips, *given)
    assert (finished.exit_code, finished.stdout, finished.stderr) == (0, "", "")
    joined = np.concatenate(expected(clips))
    with np.load(tmp_path / "out" / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["data"], joined)
    table = pq.read_table(tmp_path / "out" / "b.parquet")
    np.testing.assert_array_equal(table["mfcc_12"].to_numpy(), joined[:, 12])
    assert len((tmp_path / "out" / "c.csv").read_text().splitlines()) == 1 + len(joined)
    document = json.loads((tmp_path / "out" / "d.json").read_text())
    first = document["results"][0]
    np.testing.assert_allclose(first["data"], expected(clips)[0])
    assert first["outputs"] == [
        str(tmp_path / "out" / name) for name in ("folder/a.npz", "a.npz", "b.parquet")
    ]
    assert "79 x 13" in (tmp_path / "out" / "e.txt").read_text()
    with np.load(tmp_path / "out" / "folder" / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["data"], expected(clips)[0])
    resumed = run("features", clips, *given, "--resume")
    assert "can't be resumed" in resumed.stderr
    twice = run("features", clips, "-o", f"{tmp_path}/x/", "-o", f"{tmp_path}/y/")
    assert "names more than one folder" in twice.stderr


def test_silence(run: Run, clips: Path, tmp_path: Path) -> None:
    assert run("features", clips, "-q").stdout == ""
    assert run("features", clips, "-o", tmp_path / "x.npz").stdout == ""
    assert run("features", clips, "-o", f"{tmp_path}/folder/").stdout == ""
    assert run("features", clips, "-q", "--csv").stdout.startswith("path,")
    lines = run("features", clips, "-v", "-o", f"{tmp_path}/verbose/").stdout.splitlines()
    assert lines[0] == f"{clips / 'a.wav'}: {tmp_path / 'verbose' / 'a.npz'}"
    assert len(lines) == 2


def test_one_file_for_all(run: Run, clips: Path, tmp_path: Path) -> None:
    for ending in ("npz", "npy", "h5", "parquet", "csv", "json", "jsonl"):
        output = tmp_path / f"all.{ending}"
        assert run("features", clips, "-o", output).exit_code == 0
        assert run("features", clips, "-o", output).exit_code == 3  # it exists
        assert run("features", clips, "-o", output, "--force").exit_code == 0
    a, b = expected(clips)
    joined = np.concatenate([a, b])
    with np.load(tmp_path / "all.npz") as arrays:
        np.testing.assert_array_equal(arrays["data"], joined)
        np.testing.assert_array_equal(arrays["file_index"], [0] * len(a) + [1] * len(b))
        assert [Path(path).name for path in arrays["paths"]] == ["a.wav", "b.wav"]
        assert len(arrays["times_s"]) == len(joined)
        assert len(json.loads(str(arrays["meta"]))["results"]) == 2
    np.testing.assert_array_equal(np.load(tmp_path / "all.npy"), joined)
    with h5py.File(tmp_path / "all.h5") as file:
        np.testing.assert_array_equal(file["data"][:], joined)
        assert json.loads(file.attrs["meta"])["config"]["feature"] == "mfcc"
    table = pq.read_table(tmp_path / "all.parquet")
    assert table.column_names[:5] == ["path", "segment", "frame", "time_s", "mfcc_0"]
    np.testing.assert_array_equal(table["mfcc_12"].to_numpy(), joined[:, 12])
    lines = (tmp_path / "all.csv").read_text().splitlines()
    values = np.array([line.split(",")[4:] for line in lines[1:]], dtype=np.float32)
    np.testing.assert_array_equal(values, joined)
    document = json.loads((tmp_path / "all.json").read_text())
    np.testing.assert_allclose(document["results"][1]["data"], b)
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("format", ["npz", "npy", "csv", "json", "hdf5"])
def test_a_file_each_in_a_folder(format: str, run: Run, clips: Path, tmp_path: Path) -> None:
    folder = f"{tmp_path}/out/"
    finished = run("features", clips, "-o", folder, "--format", format, "--json")
    assert finished.exit_code == 0, finished.stderr
    outputs = [Path(result["output"]) for result in finished.document["results"]]
    assert [str(path.relative_to(folder)) for path in outputs] == [f"a.{format}", f"deep/b.{format}"]
    assert all(path.is_file() for path in outputs)
    written = sorted(p.name for p in Path(folder).rglob("*") if not p.name.startswith("."))
    assert written == [f"a.{format}", f"b.{format}", "deep"]
    if format == "npy":
        np.testing.assert_array_equal(np.load(outputs[1]), expected(clips)[1])


def test_two_recordings_never_share_a_file(run: Run, clips: Path, tmp_path: Path) -> None:
    (clips / "a.flac").write_bytes((clips / "a.wav").read_bytes())
    finished = run("features", clips, "-o", f"{tmp_path}/out/", "--force", "-j", "1", "--json")
    assert finished.exit_code == 0
    outputs = [Path(result["output"]).name for result in finished.document["results"]]
    assert outputs == ["a.flac.npz", "a.wav.npz", "b.npz"]
    twice = run("features", clips / "a.wav", clips / "a.wav", "-o", f"{tmp_path}/two/", "--json")
    assert twice.exit_code == 0
    assert len(twice.document["results"]) == 2


def test_segments_join_along_the_first_axis(run: Run, clips: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.npz"
    assert run("features", clips, "--segment", "0.5", "-o", output).exit_code == 0
    with np.load(output) as arrays:
        assert arrays["data"].shape == (3 + 2, 22, 13)
        assert arrays["file_index"].tolist() == [0, 0, 0, 1, 1]


def test_what_does_not_fit_into_one_array_fails_alone(run: Run, clips: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.npz"
    finished = run("features", clips, "--segments", "2", "-o", output, "--json")
    assert finished.exit_code == 1
    (failure,) = finished.document["failures"]
    assert failure["path"] == str(clips / "deep" / "b.wav")
    assert failure["kind"] == "too_short"
    assert "gives [2, 30, 13], which does not fit into" in failure["message"]
    assert "write to a folder, --output FOLDER/" in failure["message"]
    (result,) = finished.document["results"]
    with np.load(output) as arrays:
        assert list(arrays["data"].shape) == result["shape"] == [2, 40, 13]
        assert [Path(path).name for path in arrays["paths"]] == ["a.wav"]


@pytest.mark.parametrize("options", [["--csv"], ["-o", "x.csv"], ["-o", "x.parquet"], ["-o", "x.h5"]])
def test_stereo_does_not_fit_below_mono(
    options: list[str], run: Run, make_wav: MakeWav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stereo = tones_and_noise(40_000).reshape(-1, 2)
    paths = [make_wav("mono.wav"), make_wav("stereo.wav", stereo), make_wav("more.wav")]
    finished = run("features", *paths, "--channels", *options)
    assert finished.exit_code == 1
    assert finished.stderr.startswith(f"error: {tmp_path}/stereo.wav: gives ")
    assert finished.stderr.count("\n") == 1
    if "--csv" in options:
        assert finished.stdout.count("\n") == 1 + 2 * 87


def test_rows_are_printed_beside_a_tensor_file(run: Run, clips: Path, tmp_path: Path) -> None:
    finished = run("features", clips / "a.wav", "--csv", "-o", tmp_path / "x.npz")
    assert finished.stdout.count("\n") == 1 + 79
    assert (tmp_path / "x.npz").is_file()


def test_folders_that_are_named_are_made(run: Run, clips: Path, tmp_path: Path) -> None:
    for output in ("one/two/x.npz", "three/x.csv", "four/", "five/x.npy"):
        finished = run("features", clips, "-o", f"{tmp_path}/{output}")
        assert finished.exit_code == 0, finished.stderr
    assert run("features", clips / "a.wav", "--plot", tmp_path / "six" / "x.png").exit_code == 0
    for folder in ("one", "three", "four", "five", "six"):
        assert (tmp_path / folder).is_dir()
    # A run that gives no file leaves no folder either.
    assert run("features", tmp_path / "missing.wav", "-o", tmp_path / "no" / "x.npz").exit_code == 3
    assert not (tmp_path / "no").exists()
    inside = run("features", clips, "-o", clips / "a.wav" / "x.npz")
    assert inside.exit_code == 3
    assert f"as {clips}/a.wav is no folder" in inside.stderr


def test_a_failed_run_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    for name in ("x.npz", "x.parquet", "x.h5"):
        finished = run("features", tmp_path / "missing.wav", "-o", tmp_path / name)
        assert finished.exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_summaries_are_one_row_a_file(run: Run, clips: Path, tmp_path: Path) -> None:
    finished = run("features", clips, "--feature", "mfcc,rms", "--summary", "mean,std,median", "--csv")
    header, *rows = [line.split(",") for line in finished.stdout.splitlines()]
    assert len(rows) == 2
    assert header[:2] == ["path", "mfcc_0_mean"]
    assert header[-1] == "rms_median"
    a = expected(clips)[0].astype(float)
    values = np.array(rows[0][1:], dtype=float).reshape(3, 14)
    np.testing.assert_allclose(values[0, :13], a.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(values[1, :13], a.std(axis=0), rtol=1e-4)
    np.testing.assert_allclose(values[2, :13], np.median(a, axis=0), rtol=1e-5)
    document = run("features", clips, "--summary", "min,max", "--json").document["results"][0]
    assert document["shape"] == [2, 13]
    assert document["axes"] == ["statistic", "coefficient"]
    np.testing.assert_allclose(document["data"], [a.min(axis=0), a.max(axis=0)], rtol=1e-5)
    output = tmp_path / "x.parquet"
    assert run("features", clips, "--summary", "mean", "--segment", "0.5", "-o", output).exit_code == 0
    assert pq.read_table(output).num_rows == 5


def test_csv_has_a_row_a_frame_and_a_segments_time(run: Run, clips: Path) -> None:
    finished = run(
        "features", clips / "a.wav", "--feature", "rms", "--segment", "0.5", "--offset", "0.1", "--csv"
    )
    header, *rows = [line.split(",") for line in finished.stdout.splitlines()]
    assert header == ["path", "segment", "frame", "time_s", "rms"]
    assert len(rows) == 3 * 22
    assert rows[22][1:4] == ["1", "0", "0.6"]


def test_stdin_to_csv(run: Run, clips: Path) -> None:
    finished = run("features", "-", "--csv", stdin=(clips / "a.wav").read_bytes())
    assert finished.stdout.count("\n") == 1 + 79


def test_the_tensor_of_a_long_recording_spills_to_disk(
    run: Run, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audiocnn_cli.features import spool

    before = expected(clips)
    chroma = Plan((plan_from({"feature": "chroma"}).config,))
    tuned = expected(clips, chroma)
    monkeypatch.setattr(spool.Spool.__init__, "__kwdefaults__", {"memory_bytes": 1000})
    for ours, theirs in zip(expected(clips), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(expected(clips, chroma)[0], tuned[0])
    assert run("features", clips, "--delta", "1", "-o", tmp_path / "x.npz").exit_code == 0
    with np.load(tmp_path / "x.npz") as arrays:
        np.testing.assert_array_equal(arrays["data"][: len(before[0]), :13], before[0])


def test_a_full_disk_ends_in_a_sentence(
    run: Run, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audiocnn_cli.features import spool

    monkeypatch.setattr(spool.Spool.__init__, "__kwdefaults__", {"memory_bytes": 1000})
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
        finished = run("features", clips, "-o", tmp_path / "x.npz")
    assert finished.exit_code == 3
    assert "set TMPDIR to a folder with more room" in finished.stderr


def test_a_folder_that_cannot_be_made(run: Run, clips: Path) -> None:
    finished = run("features", clips, "-o", f"{clips}/a.wav/out/")
    assert finished.exit_code == 3
    assert f"as {clips}/a.wav is no folder" in finished.stderr
    made_no_more = run("features", clips, "-o", "/proc/none/")
    assert made_no_more.exit_code == 3
    assert made_no_more.stderr.count("\n") == 1
    assert "this folder can't be made" in made_no_more.stderr


PLANS = [
    {},
    {"like": "kaldi", "feature": "logmel"},
    {"feature": "mfcc,rms", "delta": 2, "no_top_db": True},
    {"segment": 0.5, "overlap": 0.5, "rest": "pad", "summary": "mean,std", "channels": True},
    {"segments": 3, "offset": 0.25, "duration": 1.0, "window": "hamming", "fmax": 8000.0},
]


@pytest.mark.parametrize("options", PLANS)
def test_saved_settings_give_the_same_numbers(
    options: dict[str, Any], run: Run, clips: Path, tmp_path: Path
) -> None:
    flags = []
    for name, value in options.items():
        flags += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    toml = tmp_path / "settings.toml"
    first = run("features", clips, *flags, "--save-config", toml, "--json")
    assert first.exit_code == 0, first.stderr
    again = run("features", clips, "--config", toml, "--json")
    assert again.document == first.document
    plan = plan_from(read_settings(toml))
    toml.write_text(settings_toml(plan))
    assert settings_of(plan_from(read_settings(toml))) == settings_of(plan)


def test_options_win_over_the_file(run: Run, clips: Path, tmp_path: Path) -> None:
    toml = tmp_path / "settings.toml"
    toml.write_text('n_mfcc = 20\nhop_length = 256\nfeature = "mfcc"\n')
    finished = run("features", clips / "a.wav", "--config", toml, "--n-mfcc", "5", "--json")
    assert finished.document["results"][0]["shape"] == [1 + 40_000 // 256, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_fft = 'many'", "n_fft: Expected `int`, got `str`"),
        ("n_ftt = 1024", "unknown setting 'n_ftt'; one of "),
        ("window = 'flat'", "window: Invalid enum value 'flat'"),
        ("n_fft = ", "is not a TOML file"),
        ("n_fft = 0", "--n-fft must be at least 1, not 0"),
        ("feature = ''", "--feature must name at least one feature"),
        ("summary = 'mode'", "unknown statistic 'mode'; one of mean, "),
        ("overlap = 0.5", "--overlap and --rest are for segments"),
    ],
)
def test_a_file_that_makes_no_sense(text: str, message: str, run: Run, clips: Path, tmp_path: Path) -> None:
    toml = tmp_path / "settings.toml"
    toml.write_text(text)
    finished = run("features", clips, "--config", toml)
    assert finished.exit_code == 2
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "npz"], "--format npz needs a file or a folder"),
        (["-o", "x.tiff"], "use one of .npz, .npy, .hdf5, .h5, .parquet, .json, .jsonl, .csv, .txt or"),
        (["-o", "x.npz", "--format", "csv"], "x.npz: the suffix is that of npz, but --format csv is given"),
        (["-o", "x.csv", "--format", "npz"], "the suffix is that of csv, but --format npz is given"),
        (["-o", "x.h5", "--format", "npz"], "the suffix is that of hdf5, but --format npz is given"),
        (["-o", "x.csv", "--json"], "the suffix is that of csv, but --json is given"),
        (["--format", "csv", "--json"], "give one of --json and --csv"),
        (["-o", "a.wav", "--format", "npz", "--force"], "recordings are not overwritten"),
        (["--json", "--csv"], "give one of --json and --csv"),
        (["--top-db", "60", "--no-top-db"], "give either --top-db or --no-top-db"),
        (["--segments", "2", "--segment", "3"], "give either --segments, a number, or --segment"),
        (["--frames-exact", "--no-center"], "so must be off with --no-center"),
        (["--fmax", "20000"], "--fmax must be above 0 and at most half the sample rate (11025 Hz)"),
        (["--power", "3"], "--power must be 1 (magnitude) or 2 (power), not 3"),
        (["--feature", "mfcc,waveform"], "waveform can't stand beside other features"),
        (["--feature", "complex", "--delta", "1"], "--delta must be 0 for complex"),
        (["--plot", "x.txt"], "name a .png, .svg, .pdf file"),
        (["--plot", "x.png", "--summary", "mean"], "--plot draws frames"),
    ],
)
def test_options_that_make_no_sense(options: list[str], message: str, run: Run, clips: Path) -> None:
    finished = run("features", clips, *options)
    assert finished.exit_code == 2, finished.stderr
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr


def test_no_input_is_a_usage_error(run: Run) -> None:
    assert "name the inputs" in run("features").stderr


@pytest.mark.parametrize(("format", "package"), [("hdf5", "h5py"), ("parquet", "pyarrow")])
def test_a_missing_extra_is_named(
    format: str, package: str, run: Run, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiocnn_cli.extras.find_spec", lambda name: None if name == package else name)
    finished = run("features", clips, "-o", tmp_path / f"x.{format}")
    assert finished.exit_code == 3
    assert f"writing {format}" in finished.stderr
    assert f"[{format}]'" in finished.stderr


def test_the_tensor_is_what_extract_gives(clips: Path) -> None:
    data = extract(tones_and_noise(40_000), FeatureConfig())
    np.testing.assert_array_equal(expected(clips)[0], data)
