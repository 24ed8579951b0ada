"""`audiocnn models`: the bundled models and the user's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import GroupedCommand, flattened
from audiocnn_cli.commands.models_add import EXAMPLES as ADD_EXAMPLES
from audiocnn_cli.commands.models_add import add
from audiocnn_cli.errors import ExitCode, ModelRefusedError, UsageError
from audiocnn_cli.files import atomic_writer, check_writable
from audiocnn_cli.models.registry import bundled_models, find_model, own_models
from audiocnn_cli.output.destination import Format
from audiocnn_cli.output.results import write_result
from audiocnn_cli.output.terminal.console import print_error

app = typer.Typer(
    help="List, show, verify, add, remove and export models.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="\b\nExamples:\n  audiocnn models list\n  audiocnn models show genre-cnn\n"
    "  audiocnn models add my-model.onnx\n",
)


NameOrFile = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="The name of a model, or an .onnx file.",
        autocompletion=options.complete_model,
    ),
]
OwnModel = Annotated[
    str, typer.Argument(metavar="NAME", help="One of your own models.", autocompletion=options.complete_name)
]


def list_models(*, report: options.Report, logging: options.Logging) -> None:
    """List all models with their accuracy."""
    logging.set_up()
    destination = report.destination(logging)
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.views.models import ModelListView, ModelSummary

    summaries = []
    refused = 0
    for model in bundled_models() + own_models():
        try:
            contract = open_model(model.path).contract
        except ModelRefusedError as error:
            print_error(str(error))
            refused += 1
        else:
            summaries.append(ModelSummary(model, model.path.stat().st_size, contract))
    write_result(summaries, ModelListView(), destination)
    raise typer.Exit(ExitCode.SOME_FAILED if refused else ExitCode.DONE)


def show(model: NameOrFile, *, report: options.Report, logging: options.Logging) -> None:
    """Show the card of a model; with --json its contract."""
    logging.set_up()
    destination = report.destination(logging)
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.views.models import ContractView, print_card

    found = find_model(model)
    contract = open_model(found.path).contract
    if destination.format is Format.TABLE and found.card.is_file():
        with destination.open() as stream:
            print_card(found.card.read_text(encoding="utf-8"), stream)
    else:
        write_result(contract, ContractView(), destination)


def verify(model: NameOrFile, *, report: options.Report, logging: options.Logging) -> None:
    """Check a contract and run its golden example.

    Exit 4 if the contract does not hold or the example gives other probabilities.
    """
    logging.set_up()
    destination = report.destination(logging)
    from audiocnn_cli.models.golden import check_golden
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.views.models import Verification, VerificationView

    found = find_model(model)
    opened = open_model(found.path)
    check = check_golden(opened)
    write_result(Verification(opened.contract.name, found.path, check), VerificationView(), destination)
    check.require(found.path)


def path(model: NameOrFile, *, version: options.Version = False) -> None:
    """Print the path of a model's file."""
    found = find_model(model)
    if not found.path.is_file():
        raise ModelRefusedError(f"{found.path}: no such model file")
    typer.echo(found.path)


def remove(name: OwnModel, *, report: options.Report, logging: options.Logging) -> None:
    """Delete one of your own models, and its card."""
    logging.set_up()
    destination = report.destination(logging)
    from audiocnn_cli.models.user_models import remove_model
    from audiocnn_cli.output.views.models import RemovedView

    write_result(remove_model(name), RemovedView(), destination)


def export(
    model: NameOrFile,
    *,
    output: Annotated[Path, options.option("The file to write.", "--output", "-o", metavar="FILE.onnx")],
    with_frontend: Annotated[
        bool, options.option("Include segments, features and the mean over the segments.", "--with-frontend")
    ] = False,
    report: options.ReportOnStdout,
    logging: options.Logging,
) -> None:
    """Write one ONNX file from waveform to label.

    For programs that have ONNX Runtime but not audiocnn, e.g. in a browser or on a phone.

    Its input `waveform` is (clips, samples): mono, in [-1, 1], at the model's sample rate, of any length.
    Its output `probabilities` is (clips, labels), as `audiocnn classify` gives. Only standard operators
    are used; the labels and the sample rate are in the metadata. The file is written only if its
    probabilities for the golden signal are within 0.001 of those of the Python path.
    """
    logging.set_up()
    destination = report.destination(logging)
    if not with_frontend:
        raise UsageError(
            "models export needs --with-frontend; `audiocnn models path` prints the file without it"
        )
    if output.suffix != ".onnx":
        raise UsageError(f"-o {output}: the name of a model file ends in .onnx")
    check_writable(output, force=report.force)
    from audiocnn_cli.models.frontend.export import with_frontend as add_frontend
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.views.models import Exported, ExportedView

    exported = add_frontend(open_model(find_model(model).path))
    with atomic_writer(output, "wb", force=report.force) as stream:
        stream.write(exported.content)
    write_result(Exported(exported, output), ExportedView(), destination)


def providers(*, report: options.Report, logging: options.Logging) -> None:
    """List the execution providers of ONNX Runtime.

    Their names are for `audiocnn classify --provider`; the installed ones come first.
    """
    logging.set_up()
    destination = report.destination(logging)
    from audiocnn_cli.models.runtime import providers as execution_providers
    from audiocnn_cli.output.views.models import ProvidersView

    write_result(execution_providers(), ProvidersView(), destination)


def _register(name: str, function: Callable[..., None], *examples: str) -> None:
    epilog = "\b\nExamples:\n" + "".join(f"  audiocnn models {line}\n" for line in examples)
    app.command(name, cls=GroupedCommand, epilog=epilog)(flattened(function))


_register("list", list_models, "list", "list --json")
_register("show", show, "show genre-cnn", "show m.onnx --json")
_register("verify", verify, "verify genre-cnn")
_register("path", path, "path genre-cnn")
_register("add", add, *ADD_EXAMPLES)
_register("remove", remove, "remove my-model")
_register(
    "export",
    export,
    "export genre-cnn --with-frontend -o genre.onnx",
    "export my-model.onnx --with-frontend -o phone.onnx --json",
)
_register("providers", providers, "providers", "providers --json")
