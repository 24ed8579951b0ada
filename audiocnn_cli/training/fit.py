"""Fit a network: Adam on the cross-entropy of segments, stopped when validation gets no better."""

import copy
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audiocnn_cli.errors import AudiocnnError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How to fit. `patience` is how many epochs without a lower validation loss end the fit."""

    epochs: int = 60
    patience: int = 8
    batch_size: int = 32
    learning_rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Side:
    """Segments of one side of a split: tensors (n, frames, bins) and label indices (n,)."""

    tensors: "NDArray[np.float32]"
    labels: "NDArray[np.int64]"


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the training side gave; losses in nats a segment."""

    number: int
    loss: float
    validation_loss: float
    validation_accuracy: float


def seed_everything(seed: int) -> None:
    """Make torch draw the same numbers, and use only algorithms that give the same sums, every time."""
    import torch

    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)


def fit(network: Any, train: Side, validation: Side, config: FitConfig) -> tuple[Epoch, ...]:
    """Train `network` (tensors to logits) in place; it ends with the weights of its best epoch.

    Raises:
        AudiocnnError: the loss is no number any more.
    """
    import torch

    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    loss_of = torch.nn.CrossEntropyLoss()
    tensors, labels = torch.from_numpy(train.tensors), torch.from_numpy(train.labels)
    shuffle = torch.Generator().manual_seed(config.seed)
    history: list[Epoch] = []
    best, best_state = float("inf"), copy.deepcopy(network.state_dict())
    for number in range(1, config.epochs + 1):
        network.train()
        total = 0.0
        for batch in torch.randperm(len(labels), generator=shuffle).split(config.batch_size):
            optimizer.zero_grad()
            loss = loss_of(network(tensors[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        epoch = Epoch(number, total / len(labels), *_validate(network, validation))
        _report(epoch, config)
        history.append(epoch)
        if epoch.validation_loss < best:
            best, best_state = epoch.validation_loss, copy.deepcopy(network.state_dict())
        elif number - min(history, key=lambda e: e.validation_loss).number >= config.patience:
            log.info("no better for %d epochs: stopped", config.patience)
            break
    network.load_state_dict(best_state)
    network.eval()
    return tuple(history)


def _validate(network: Any, side: Side) -> tuple[float, float]:
    """Mean loss and accuracy over the segments of `side`."""
    import torch

    network.eval()
    labels = torch.from_numpy(side.labels)
    with torch.no_grad():
        logits = torch.cat([network(part) for part in torch.from_numpy(side.tensors).split(256)])
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    return loss, (logits.argmax(dim=1) == labels).float().mean().item()


def _report(epoch: Epoch, config: FitConfig) -> None:
    if epoch.loss != epoch.loss or epoch.validation_loss != epoch.validation_loss:
        raise AudiocnnError(
            f"the loss is no number any more in epoch {epoch.number}; try a smaller --learning-rate than"
            f" {config.learning_rate:g}"
        )
    log.info(
        "epoch %2d/%d  loss %.3f  validation loss %.3f  accuracy %.3f",
        epoch.number,
        config.epochs,
        epoch.loss,
        epoch.validation_loss,
        epoch.validation_accuracy,
    )
