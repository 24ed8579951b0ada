"""What a training prints while it runs: accuracies, the best epoch, early stopping, the time left."""

import logging
import os
import pty
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiocnn_cli.evaluation.labelled import Grouping
from tests.conftest import Finished

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from audiocnn_cli.output.terminal.training import figures, outcome, show_epochs
from audiocnn_cli.training.batches import Side
from audiocnn_cli.training.dataset import read_dataset
from audiocnn_cli.training.fit import Epoch, FitConfig, Validation, fit, predict
from audiocnn_cli.training.recipes import recipe_for
from audiocnn_cli.training.split import holdout

Run = Callable[..., Finished]
RATE = 22050
LINE = re.compile(
    r"epoch +(\d+)/9  training accuracy (\d\.\d{3}), loss (\d+\.\d{3})"
    r"  validation accuracy (\d\.\d{3}), loss (\d+\.\d{3}) \((best so far|best: epoch (\d+))\)"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of noise that can't be distinguished, so that the validation loss soon rises."""
    root = tmp_path_factory.mktemp("noise")
    random = np.random.default_rng(4)
    for label in ("one", "other"):
        (root / label).mkdir()
        for i in range(15):
            noise = random.uniform(0.01, 0.3) * random.standard_normal(3 * RATE)
            soundfile.write(root / label / f"{i:02}.wav", np.clip(noise, -1, 1), RATE)
    return root


def test_each_epoch_and_the_end_are_lines(run: Run, folder: Path, tmp_path: Path) -> None:
    finished = run(
        "train", folder, "-o", tmp_path / "m.onnx", "--cache", tmp_path / "cache", "--arch", "mlp",
        "--epochs", "9", "--patience", "2", "--learning-rate", "3e-3",
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    lines = [match.groups() for match in map(LINE.search, finished.stderr.splitlines()) if match]
    assert [int(line[0]) for line in lines] == list(range(1, len(lines) + 1))
    losses = [float(line[4]) for line in lines]
    for number, line in enumerate(lines, start=1):
        best = int(np.argmin(losses[:number])) + 1
        assert line[5] == ("best so far" if best == number else f"best: epoch {best}")
    best = int(np.argmin(losses)) + 1
    (ended,) = [line for line in finished.stderr.splitlines() if "are kept" in line]
    assert f"the weights of epoch {best} are kept" in ended
    assert len(lines) < 9
    assert f"stopped early after epoch {len(lines)} of 9" in ended
    assert f"has not fallen for {len(lines) - best} epochs" in ended
    assert len(lines) - best == 2


def test_the_training_accuracy_is_that_of_the_segments(folder: Path, tmp_path: Path) -> None:
    """With a learning rate of 0 the network stays as it is: both ways to compute it agree."""
    recipe = recipe_for("mlp")
    dataset = read_dataset(folder, recipe=recipe, grouping=Grouping(), cache=tmp_path)
    split = holdout(dataset.clip_set, seed=0)
    train, validation = Side(dataset, split.train), Side(dataset, split.validation)
    torch.manual_seed(0)
    bins = recipe.features.n_bins
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(dataset.window * bins, 2))
    epochs: list[Epoch] = []
    history = fit(
        network,
        train,
        validation,
        FitConfig(epochs=2, learning_rate=0.0),
        checkpoint=tmp_path / "fit.pt",
        on_epoch=epochs.append,
    )
    assert tuple(epochs) == history
    for side, found in ((train, history[0].accuracy), (validation, history[0].validation)):
        logits, labels = predict(network, side, torch.device("cpu"))
        expected = (logits.argmax(dim=1) == labels).float().mean().item()
        accuracy = found.accuracy if isinstance(found, Validation) else found
        assert accuracy == pytest.approx(expected)
    assert [epoch.last for epoch in history] == [False, True]


def test_a_checkpoint_without_accuracies_is_continued(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_for("mlp")
    dataset = read_dataset(folder, recipe=recipe, grouping=Grouping(), cache=tmp_path)
    train = Side(dataset, holdout(dataset.clip_set, seed=0).train)
    size = dataset.window * recipe.features.n_bins
    path = tmp_path / "fit.pt"

    def fitted(epochs: int) -> tuple[Epoch, ...]:
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(size, 2))
        config = FitConfig(epochs=epochs)
        return fit(network, train, None, config, checkpoint=path, on_epoch=lambda _: None)

    fitted(1)
    state = torch.load(path, weights_only=True)
    state["history"] = [epoch[:3] for epoch in state["history"]]
    torch.save(state, path)
    first, second = fitted(2)
    assert (first.accuracy, second.number) == (None, 2)
    assert second.accuracy is not None


def test_words_for_an_epoch() -> None:
    epoch = Epoch(3, 0.5, Validation(0.7, 0.625), 0.75, best=2)
    assert figures(epoch) == [
        "training accuracy 0.750, loss 0.500",
        "validation accuracy 0.625, loss 0.700 (best: epoch 2)",
    ]
    assert figures(Epoch(3, 0.5, None, 0.75, best=3)) == ["training accuracy 0.750, loss 0.500"]
    assert outcome(Epoch(9, 0.5, Validation(0.7, 0.6), 0.75, best=8, last=True), 9) == (
        "trained for 9 epochs; the weights of epoch 8 are kept"
    )
    assert outcome(Epoch(9, 0.5, None, 0.75, best=9, last=True), 9) == "trained for 9 epochs"


def test_the_time_left_is_that_of_the_epochs_to_come(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 100.0
    monkeypatch.setattr("audiocnn_cli.output.terminal.training.time.monotonic", lambda: now)
    log = logging.getLogger("audiocnn")
    monkeypatch.setattr(log, "propagate", True)
    with (
        caplog.at_level(logging.INFO, "audiocnn"),
        show_epochs(epochs=10, networks=2, quiet=False) as on_epoch,
    ):
        for number in (1, 2, 3):
            now += 1000 if number == 1 else 10  # the first one loads libraries
            on_epoch(0, Epoch(number, 1.0, Validation(1.0 / number, 0.5), 0.5, best=number))
        now += 10
        on_epoch(0, Epoch(4, 1.0, Validation(2.0, 0.5), 0.5, best=3, last=True))
    lines = list(dict.fromkeys(record.getMessage() for record in caplog.records))
    assert "left" not in lines[0]
    assert lines[1].endswith("at most 3:00 min left")
    assert lines[2].startswith("network 1/2  epoch  3/10  training accuracy 0.500")
    assert lines[2].endswith("at most 2:50 min left")
    assert lines[3].endswith("at most 1:40 min left")  # ten epochs of the second network
    assert "stopped early after epoch 4 of 10" in lines[4]


def test_a_terminal_shows_a_bar_and_the_last_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("TERM", "xterm")
        with show_epochs(epochs=3, networks=1, quiet=False) as on_epoch:
            on_epoch(0, Epoch(1, 1.0, Validation(0.9, 0.5), 0.4, best=1))
            on_epoch(0, Epoch(2, 0.8, Validation(1.2, 0.7), 0.6, best=1, last=True))
        terminal.flush()
        shown = os.read(master, 1 << 16).decode()
    os.close(master)
    for text in (
        "epoch  2/3",
        "training accuracy 0.600, loss 0.800",
        "validation accuracy 0.700, loss 1.200 (best: epoch 1)",
        "stopped early after epoch 2 of 3",
        "3/3",
    ):
        assert text in shown
