"""What `audiocnn train` does with its options."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.commands.train import Data, Head, ModelFile, Network, Output, Training
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.evaluation.labelled import Grouping, link_parts, parse_parts
from audiocnn_cli.extras import require_extra
from audiocnn_cli.files import check_writable
from audiocnn_cli.models.contract import DataStatement
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import write_result
from audiocnn_cli.output.terminal.console import display, log, print_error
from audiocnn_cli.training.finish import Statement, card_path
from audiocnn_cli.training.recipes import Optimizer, recipe_for

if TYPE_CHECKING:  # imports scikit-learn and PyTorch
    from audiocnn_cli.training.heads.choose import HeadConfig
    from audiocnn_cli.training.train import TrainingConfig

_HEAD_BITS, _NETWORK_BITS = 16, 32


def run_training(
    folder: Path,
    data: Data,
    head: Head,
    training: Training,
    network: Network,
    model_file: ModelFile,
    report: Output,
    *,
    quiet: bool,
) -> None:
    """Train with these options, write the model and print its evaluation.

    Raises:
        typer.Exit: always, with the exit code.
    """
    output = model_file.output
    if output.suffix != ".onnx":
        raise UsageError(f"`output={output}`: the name of a model file ends in .onnx")
    for path in (output, card_path(output)):
        check_writable(path, force=report.force)
    destination = Destination(Format.JSON if report.json else Format.TABLE, quiet=quiet)
    if network.arch is not None:
        failures = _train_network(folder, data, head, training, network, model_file, report, destination)
    elif head.targets is not None:
        failures = _fit_regressor(
            folder, head.targets, data, head, training, network, model_file, report, destination
        )
    else:
        failures = _fit_classifier(folder, data, head, training, network, model_file, report, destination)
    for failure in failures:
        print_error(f"{failure.path}: {failure.message}")
    log.info(
        "wrote %s; next: audiocnn classify FILES --model %s", display(str(output)), shlex.quote(str(output))
    )
    raise typer.Exit(ExitCode.SOME_FAILED if failures else ExitCode.DONE)


def _fit_classifier(
    folder: Path,
    data: Data,
    head: Head,
    training: Training,
    network: Network,
    model_file: ModelFile,
    report: Output,
    destination: Destination,
) -> tuple[Failure, ...]:
    from audiocnn_cli.output.terminal.training import show_head
    from audiocnn_cli.output.views.evaluation import EvaluationView
    from audiocnn_cli.training.heads.train import train_head

    config = _head_config(folder, data, head, training, network, model_file)
    with show_head(quiet=destination.quiet) as progress, _whole(folder, config.statement) as whole:
        trained = train_head(whole, model_file.output, config, force=report.force, progress=progress)
    write_result(trained.evaluation, EvaluationView(), destination)
    return trained.failures


def _fit_regressor(
    folder: Path,
    table: Path,
    data: Data,
    head: Head,
    training: Training,
    network: Network,
    model_file: ModelFile,
    report: Output,
    destination: Destination,
) -> tuple[Failure, ...]:
    from audiocnn_cli.output.terminal.training import show_head
    from audiocnn_cli.output.views.regression import RegressionView
    from audiocnn_cli.training.heads.values import train_regressor

    for name in ("part", "threshold", "keep_apart"):
        if getattr(data, name, None) or getattr(model_file, name, None) is not None:
            raise UsageError(f"`{name}` is for classes, not for the values of `targets`; leave it out")
    config = _head_config(folder, data, head, training, network, model_file)
    with show_head(quiet=destination.quiet) as progress:
        trained = train_regressor(
            folder, table, model_file.output, config, force=report.force, progress=progress
        )
    write_result(trained.evaluation, RegressionView(), destination)
    return trained.failures


def _head_config(
    folder: Path, data: Data, head: Head, training: Training, network: Network, model_file: ModelFile
) -> "HeadConfig":
    from audiocnn_cli.training.heads.choose import BACKBONES, HeadConfig

    _warn_of_network_options(network)
    statement = _statement(folder, data, training, model_file, bits=_HEAD_BITS)
    return HeadConfig(statement=statement, backbones=BACKBONES if head.backbone is None else (head.backbone,))


def _train_network(
    folder: Path,
    data: Data,
    head: Head,
    training: Training,
    network: Network,
    model_file: ModelFile,
    report: Output,
    destination: Destination,
) -> tuple[Failure, ...]:
    for name in ("backbone", "targets"):
        if getattr(head, name) is not None:
            raise UsageError(f"`arch` trains a network from scratch, without `{name}`; leave out one of them")
    if network.learning_rate is not None and not network.learning_rate > 0:
        raise UsageError(f"`learning_rate` must be above 0, not {network.learning_rate}")
    require_extra("train", "audiocnn train --arch")
    from audiocnn_cli.output.plots.evaluation import plot_learning_curve
    from audiocnn_cli.output.plots.figure import check_picture
    from audiocnn_cli.output.terminal.training import show_epochs
    from audiocnn_cli.output.views.evaluation import EvaluationView
    from audiocnn_cli.training.train import train_folder

    config = _network_config(folder, data, training, network, model_file)
    if network.plot is not None:
        check_picture(network.plot, force=report.force)
    statement, output = config.statement, model_file.output
    fits = (training.folds or 1) * config.networks
    with (
        show_epochs(epochs=config.fit.epochs, networks=fits, quiet=destination.quiet) as on_epoch,
        _whole(folder, statement) as whole,
    ):
        trained = train_folder(whole, output, config, force=report.force, on_epoch=on_epoch)
    if network.plot is not None:
        plot_learning_curve(trained.histories, network.plot, force=report.force)
    write_result(trained.evaluation, EvaluationView(), destination)
    return trained.failures


def _network_config(
    folder: Path, data: Data, training: Training, network: Network, model_file: ModelFile
) -> "TrainingConfig":
    from audiocnn_cli.training.fit import COURSE_FIT, LOGMEL_FIT
    from audiocnn_cli.training.train import TrainingConfig

    recipe = recipe_for(
        network.arch or "",
        sample_rate=network.sample_rate or 22050,
        segment_s=3.0 if network.segment is None else network.segment,
        hop_length=network.hop_length,
        n_mels=network.n_mels,
    )
    preset = LOGMEL_FIT if recipe.anywhere else COURSE_FIT
    roll = network.roll is not False
    return TrainingConfig(
        statement=_statement(folder, data, training, model_file, bits=_NETWORK_BITS),
        recipe=recipe,
        fit=replace(
            preset,
            optimizer=network.optimizer or Optimizer.ADAM,
            epochs=network.epochs or preset.epochs,
            patience=network.patience or preset.patience,
            batch_size=network.batch_size or preset.batch_size,
            learning_rate=network.learning_rate or preset.learning_rate,
            seed=training.seed,
            augment=preset.augment and replace(preset.augment, roll=roll),
        ),
        networks=network.networks or 1,
    )


def _statement(
    folder: Path, data: Data, training: Training, model_file: ModelFile, *, bits: int
) -> Statement:
    from platformdirs import user_cache_path

    parts = parse_parts(data.part or ())
    name = folder.resolve().name
    return Statement(
        grouping=Grouping(data.group_by, data.group_block),
        folds=training.folds,
        keep_apart=data.keep_apart,
        seed=training.seed,
        threshold=model_file.threshold,
        bits=int(model_file.bits or bits),
        name=model_file.name or model_file.output.stem,
        task=model_file.task,
        sound_type=model_file.sound_type,
        data=DataStatement(
            name=model_file.data_name or name,
            licence=model_file.data_licence,
            folder=None if parts else name,
            parts=parts,
        ),
        command=shlex.join(["audiocnn", *sys.argv[1:]]),
        cache=training.cache or user_cache_path("audiocnn"),
    )


@contextmanager
def _whole(folder: Path, statement: Statement) -> Iterator[Path]:
    """The folder of the classes: as it is, or put together from parts."""
    if not statement.data.parts:
        yield folder
        return
    with link_parts(folder, statement.data.parts) as linked:
        yield linked


def _warn_of_network_options(network: Network) -> None:
    """Warn of options that only networks have: a script may still give them."""
    given = [each.name for each in fields(network) if getattr(network, each.name) is not None]
    if given:
        log.warning(
            "%s: for networks only, without effect on a head; `arch=logmel-cnn` trains a network",
            ", ".join(f"`{name}`" for name in given),
        )
