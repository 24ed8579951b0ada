"""Fit a network to the training side of a split, with early stopping and checkpoints."""

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from audiocnn_cli.errors import AudiocnnError
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.training.batches import AugmentConfig, Side
from audiocnn_cli.training.recipes import Optimizer


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """The hyperparameters of a fit.

    Without a validation side all epochs are run. With one, the fit stops after `patience` epochs without a
    lower validation loss, and keeps the weights of the best epoch. `average` is the decay of the moving
    average of the weights that is kept (0: the weights themselves), `warmup` the proportion of the steps in
    which the learning rate rises; it then follows a cosine to zero (Loshchilov and Hutter,
    arXiv:1608.03983), or stays constant when `cosine` is off.
    """

    optimizer: Optimizer = Optimizer.ADAM
    epochs: int = 60
    patience: int = 8
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    cosine: bool = False
    warmup: float = 0.1
    average: float = 0.0
    label_smoothing: float = 0.0
    seed: int = 0
    augment: AugmentConfig | None = None


COURSE_FIT = FitConfig(learning_rate=1e-4)
LOGMEL_FIT = FitConfig(
    epochs=100,
    patience=30,
    batch_size=16,
    learning_rate=2e-3,
    weight_decay=0.02,
    cosine=True,
    average=0.99,
    label_smoothing=0.05,
    augment=AugmentConfig(),
)


@dataclass(frozen=True, slots=True)
class Validation:
    """Loss in nats a segment and accuracy, over the segments of the validation side."""

    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training side, and the validation after it.

    `loss` is the mean loss in nats a segment, and `accuracy` that of the segments, both while the network is
    trained on them: with dropout, and on augmented segments. `best` is the number of the best epoch so far,
    whose weights are kept, and `last` whether the fit ends with this one.
    """

    number: int
    loss: float
    validation: Validation | None = None
    accuracy: float | None = None
    best: int = 1
    last: bool = False

    @property
    def is_best(self) -> bool:
        """Whether its weights are kept if no further epoch is run."""
        return self.best == self.number


def fit(
    network: torch.nn.Module,
    train: Side,
    validation: Side | None,
    config: FitConfig,
    *,
    checkpoint: Path,
    on_epoch: Callable[[Epoch], None],
) -> tuple[Epoch, ...]:
    """Train `network` (tensors to logits) in place; it ends on the CPU, in evaluation mode.

    An interrupted fit continues from `checkpoint`, the state after the last complete epoch of this fit.

    Raises:
        AudiocnnError: the loss became infinite or NaN.
        OutputError: the disk is full, or the checkpoint can't be written.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = _Run(network.to(device), train, config, device)
    run.restore(checkpoint)
    while run.continues():
        epoch = run.epoch(validation)
        if not math.isfinite(epoch.loss + (epoch.validation.loss if epoch.validation else 0)):
            raise AudiocnnError(
                f"the loss became infinite or NaN in epoch {epoch.number}; try a `learning_rate` below"
                f" {config.learning_rate:g}"
            )
        run.save(checkpoint)
        on_epoch(epoch)
    network.load_state_dict(run.best)
    network.to("cpu").eval()
    return tuple(run.history)


class _Run:
    """The state of a fit, which a checkpoint saves and restores."""

    def __init__(self, network: torch.nn.Module, train: Side, config: FitConfig, device: Any) -> None:
        self.network = network
        self.train = train
        self.config = config
        self.device = device
        self.random = torch.Generator().manual_seed(config.seed)
        self.averaged = copy.deepcopy(network)
        self.best = copy.deepcopy(network.state_dict())
        self.history: list[Epoch] = []
        self.step = 0
        self.steps = config.epochs * max(1, math.ceil(len(train.starts[0]) / config.batch_size))
        sgd = partial(torch.optim.SGD, momentum=0.9)
        kind = sgd if config.optimizer is Optimizer.SGD else torch.optim.AdamW
        self.optimizer = kind(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        self.weights = train.class_weights.to(device)

    def continues(self) -> bool:
        done = len(self.history)
        return done < self.config.epochs and done - self._best_number() < self.config.patience

    def epoch(self, validation: Side | None) -> Epoch:
        """Run one pass; afterwards `best` is the weights to keep if no further epoch is run."""
        size, augment = self.config.batch_size, self.config.augment
        self.network.train()
        total = count = correct = 0.0
        for tensors, targets in self.train.epoch(batch_size=size, config=augment, random=self.random):
            loss, hits = self._step(tensors.to(self.device), targets.to(self.device))
            total += loss * len(tensors)
            correct += hits
            count += len(tensors)
        kept = self.averaged if self.config.average else self.network
        check = None
        if validation is not None:
            logits, labels = predict(kept, validation, self.device)
            loss = torch.nn.functional.cross_entropy(logits, labels).item()
            check = Validation(loss, (logits.argmax(dim=1) == labels).float().mean().item())
        self.history.append(Epoch(len(self.history) + 1, total / count, check, correct / count))
        epoch = replace(self.history[-1], best=self._best_number(), last=not self.continues())
        self.history[-1] = epoch
        if epoch.is_best:
            self.best = copy.deepcopy(kept.state_dict())
        return epoch

    def _step(self, tensors: torch.Tensor, targets: torch.Tensor) -> tuple[float, int]:
        """The loss of a batch before the weights change, and how many of its segments are correct."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad()
        logits = self.network(tensors)
        loss = torch.nn.functional.cross_entropy(
            logits, targets, self.weights, label_smoothing=config.label_smoothing
        )
        loss.backward()
        self.optimizer.step()
        self.step += 1
        if config.average:
            # A lower decay in the first steps, so that the initial weights are forgotten.
            decay = min(config.average, (1 + self.step) / (10 + self.step))
            trained = self.network.state_dict()
            for name, mean in self.averaged.state_dict().items():
                if mean.dtype.is_floating_point:
                    mean.lerp_(trained[name], 1 - decay)
        return float(loss.item()), int((logits.argmax(dim=1) == targets.argmax(dim=1)).sum().item())

    def _learning_rate(self) -> float:
        most = self.config.learning_rate
        if not self.config.cosine:
            return most
        rising = max(1.0, self.config.warmup * self.steps)
        if self.step < rising:
            return most * ((self.step + 1) / rising)
        return most * (0.5 * (1 + math.cos(math.pi * (self.step - rising) / max(1.0, self.steps - rising))))

    def _best_number(self) -> int:
        """The epoch with the lowest validation loss; the last one without a validation side."""
        losses = [epoch.validation.loss for epoch in self.history if epoch.validation]
        return losses.index(min(losses)) + 1 if losses else len(self.history)

    def save(self, path: Path) -> None:
        """Replace the checkpoint by the whole state, atomically."""
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(),
            "torch_random": torch.get_rng_state(),
            "history": [astuple(epoch) for epoch in self.history],
            "step": self.step,
        }
        with atomic_writer(path, "wb", force=True) as stream:
            torch.save(state, stream)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint, if there is one that can be read."""
        try:
            state = torch.load(path, weights_only=True)
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError):
            return
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best = state["best"]
        self.random.set_state(state["random"])
        torch.set_rng_state(state["torch_random"])
        self.history = [
            Epoch(number, loss, check and Validation(*check), *rest)
            for number, loss, check, *rest in state["history"]
        ]
        self.step = state["step"]


def predict(network: torch.nn.Module, side: Side, device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (segments, classes) and label indices of all segments of `side`."""
    network.eval()
    with torch.no_grad():
        parts = [(network(tensors.to(device)).cpu(), labels) for tensors, labels in side.fixed()]
    return torch.cat([p for p, _ in parts]), torch.cat([q for _, q in parts])
