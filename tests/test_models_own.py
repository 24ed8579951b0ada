"""`audiocnn models add` and `remove`: only a model whose contract holds is added."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.conftest import Finished
from tests.onnx_models import CONTRACT, write_good_model, write_model

Run = Callable[..., Finished]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A good model called `tiny`, with its card, in a file of another name."""
    (tmp_path / "given").mkdir()
    path = write_good_model(tmp_path / "given" / "some file.onnx")
    path.with_suffix(".md").write_text("# tiny, the card")
    return path


def listed(run: Run) -> dict[str, str]:
    models = run("models", "list", "--json").document["models"]
    return {model["name"]: model["origin"] for model in models}


def test_an_added_model_is_used_like_a_bundled_one(
    run: Run, mine: Path, make_wav: Callable[..., Path]
) -> None:
    added = run("models", "add", mine, "--json").document
    assert (added["name"], added["replaced"]) == ("tiny", False)
    mine.unlink()
    assert listed(run)["tiny"] == "own"
    assert listed(run)["genre-cnn"] == "bundled"
    assert "own" in run("models", "list").stdout
    assert run("models", "verify", "tiny").exit_code == 0
    assert run("models", "show", "tiny").stdout == "# tiny, the card"
    assert run("models", "path", "tiny").stdout.strip() == added["path"]
    document = run("classify", make_wav(), "--model", "tiny", "--json").document
    assert document["results"][0]["model"] == "tiny"


def test_remove_takes_model_and_card(run: Run, mine: Path) -> None:
    path = Path(run("models", "add", mine, "--json").document["path"])
    assert path.with_suffix(".md").is_file()
    assert run("models", "remove", "tiny").exit_code == 0
    assert list(path.parent.iterdir()) == []
    again = run("models", "remove", "tiny")
    assert (again.exit_code, again.stderr.count("\n")) == (4, 1)


def test_a_second_of_the_same_name_needs_force(run: Run, mine: Path) -> None:
    run("models", "add", mine)
    mine.with_suffix(".md").unlink()
    second = run("models", "add", mine)
    assert second.exit_code == 3
    assert "--force" in second.stderr
    forced = run("models", "add", mine, "--force", "--json").document
    assert forced["replaced"] is True
    assert not Path(forced["path"]).with_suffix(".md").exists()  # the card of the one before


def test_bundled_models_are_neither_shadowed_nor_removed(run: Run, tmp_path: Path) -> None:
    shadow = write_good_model(tmp_path / "x.onnx", replace(CONTRACT, name="genre-cnn"))
    for arguments in (("add", shadow), ("add", shadow, "--force"), ("remove", "genre-cnn")):
        finished = run("models", *arguments)
        assert finished.exit_code == 2
        assert "bundled" in finished.stderr
    assert "genre" in run("models", "show", "genre-cnn").stdout


def test_an_own_model_of_a_bundled_name_is_not_used(run: Run, mine: Path) -> None:
    """As after an update that bundles a model of a name that the user has taken."""
    added = Path(run("models", "add", mine, "--json").document["path"])
    added.rename(added.with_name("genre-cnn.onnx"))
    finished = run("models", "path", "genre-cnn")
    assert Path(finished.stdout.strip()).parent != added.parent
    assert "the bundled model is used" in finished.stderr


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "-o", "nul\0", "", "a" * 200, "x."])
def test_names_that_are_no_file_names(name: str, run: Run, tmp_path: Path) -> None:
    hostile = write_good_model(tmp_path / "x.onnx", replace(CONTRACT, name=name))
    finished = run("models", "add", hostile)
    assert (finished.exit_code, finished.stderr.count("\n")) == (2, 1)
    assert not (tmp_path / "user data").exists()


def test_a_model_whose_golden_example_differs_is_refused(run: Run, tmp_path: Path) -> None:
    for wrong in (write_model(tmp_path / "wrong.onnx"), tmp_path / "missing.onnx"):
        finished = run("models", "add", wrong)
        assert (finished.exit_code, finished.stderr.count("\n")) == (4, 1)
        assert not (tmp_path / "user data").exists()


def test_weights_in_another_file_are_put_into_the_copy(run: Run, tmp_path: Path) -> None:
    path = write_good_model(tmp_path / "split.onnx")
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=16)
    assert run("models", "verify", path).exit_code == 0
    assert run("models", "add", path).exit_code == 0
    assert [file.name for file in (tmp_path / "user data").rglob("*.onnx*")] == ["tiny.onnx"]
    (tmp_path / "weights.bin").unlink()
    assert run("models", "verify", "tiny").exit_code == 0
    assert run("models", "add", path, "--force").exit_code == 4


def test_one_broken_model_does_not_hide_the_others(run: Run, mine: Path) -> None:
    path = Path(run("models", "add", mine, "--json").document["path"])
    path.write_bytes(np.random.default_rng(0).bytes(100))
    finished = run("models", "list", "--json")
    assert finished.exit_code == 1
    assert "tiny.onnx" in finished.stderr
    assert {model["origin"] for model in finished.document["models"]} == {"bundled"}
