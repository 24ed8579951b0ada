"""Names of result files: the suffix of a recording stays where two would have the same name."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.sources import Source, find_audio
from audiocnn_cli.batch.inputs import named_apart
from audiocnn_cli.errors import InputError
from audiocnn_cli.extras import MODULES
from tests.conftest import Finished

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]


@pytest.fixture
def clips(tmp_path: Path, make_wav: MakeWav) -> Path:
    """Two recordings that differ in their suffix, and one apart."""
    folder = tmp_path / "clips"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.wav", "a.flac", "b.wav", "sub/b.flac")):
        samples = 0.1 * np.random.default_rng(number).standard_normal(5000)
        make_wav(folder / name, samples)
    return folder


def outputs(finished: Finished) -> dict[str, str]:
    results = finished.document["results"]
    return {Path(each["path"]).name: Path(each["output"]).name for each in results}


@pytest.mark.parametrize("suffix", ["npz", "csv", "json"])
def test_the_suffix_stays_where_names_collide(suffix: str, run: Run, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    finished = run("features", clips, "-o", f"{out}/", "--format", suffix, "--json")
    assert finished.exit_code == 0, finished.stderr
    assert outputs(finished) == {
        "a.wav": f"a.wav.{suffix}",
        "a.flac": f"a.flac.{suffix}",
        "b.wav": f"b.{suffix}",
        "b.flac": f"b.{suffix}",
    }
    files = {str(path.relative_to(out)) for path in out.rglob(f"*.{suffix}")}
    assert files == {f"a.wav.{suffix}", f"a.flac.{suffix}", f"b.{suffix}", f"sub/b.{suffix}"}
    again = run("features", clips, "-o", f"{out}/", "--format", suffix, "--json", "--resume")
    assert again.exit_code == 0, again.stderr
    assert outputs(again) == outputs(finished)


def test_each_file_holds_its_own_recording(run: Run, clips: Path, tmp_path: Path) -> None:
    assert run("features", clips, "-o", f"{tmp_path / 'out'}/").exit_code == 0
    for name in ("a.wav", "a.flac"):
        with np.load(tmp_path / "out" / f"{name}.npz") as file:
            assert json.loads(str(file["meta"]))["path"].endswith(name)


def test_classify_and_plots_too(run: Run, clips: Path, tmp_path: Path) -> None:
    out, plots = tmp_path / "labels", tmp_path / "plots"
    finished = run("classify", clips, "--model", "genre-cnn", "--format", "json", "-o", f"{out}/")
    assert finished.exit_code in (0, 1)
    finished = run("features", clips, "-o", f"{tmp_path / 'out'}/", "--plot", f"{plots}/")
    assert finished.exit_code == 0, finished.stderr
    assert {"a.wav.png", "a.flac.png", "b.png"} == {path.name for path in plots.rglob("*.png")}


def test_only_inputs_count(run: Run, clips: Path, tmp_path: Path) -> None:
    """A neighbour that is no input leaves the name as it is."""
    for number, paths in enumerate(([clips / "a.wav"], [clips / "*.wav"])):
        finished = run("features", *paths, "-o", f"{tmp_path / str(number)}/", "--json")
        assert outputs(finished)["a.wav"] == "a.npz"


def test_shards_and_repeated_inputs_have_the_same_names(clips: Path) -> None:
    def find(*arguments: Path) -> list[Source]:
        found = named_apart(lambda: find_audio(list(map(str, arguments))), again=True)
        return [each for each in found if isinstance(each, Source)]

    names = {each.path: each.name for each in find(clips)}
    assert sorted(names.values()) == ["a.flac.flac", "a.wav.wav", "b.wav", "sub/b.flac"]
    assert {each.path: each.name for each in find(clips / "a.flac", clips / "a.wav")}.items() <= names.items()
    assert [each.name for each in find(clips / "a.wav", clips / "a.wav")] == ["a.wav", "a.wav"]


def test_inputs_that_are_listed_once_are_named_apart(clips: Path) -> None:
    found = named_apart(lambda: find_audio([str(clips / "a.wav")]), again=False)
    assert [each.name for each in found if isinstance(each, Source)] == ["a.wav.wav"]


def test_a_used_folder_gives_its_reason(run: Run, clips: Path, tmp_path: Path) -> None:
    command = ("features", clips / "b.wav", "-o", f"{tmp_path / 'out'}/")
    assert run(*command, "--csv").exit_code == 0
    for options, advice in (
        (["--csv"], "add --force; to go on with --resume, leave out the table or the file with the numbers"),
        ([], "add --resume to go on with an earlier run, or --force"),
    ):
        finished = run(*command, *options)
        assert finished.exit_code == 3
        assert finished.stderr.startswith(f"error: {tmp_path / 'out' / 'b.npz'}: exists already; {advice}")
        assert finished.stderr.count("\n") == 1
    assert run(*command, "--csv", "--force").exit_code == 0
    assert run(*command, "--resume").exit_code == 0


def test_a_url_without_the_extra_is_one_failure(
    run: Run, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODULES, "remote", ("no_such_module",))
    url = "s3://bucket/folder/"
    finished = run("features", clips / "b.wav", url, clips / "a.wav", "--json")
    assert finished.exit_code == 1
    assert len(finished.document["results"]) == 2
    (failure,) = finished.document["failures"]
    assert failure["path"] == url
    assert "reading it needs the [remote] extra: pip install" in failure["message"]
    with (
        pytest.raises(InputError, match=r"^https://example.org/a.wav: reading it needs the \[remote\] extra"),
        open_audio(Source("https://example.org/a.wav")),
    ):
        pass
