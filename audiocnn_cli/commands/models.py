"""`audiocnn models`: which models there are, what each promises, and whether it keeps it."""

from typing import Annotated

import typer

from audiocnn_cli.commands import models_export, models_own, models_providers, options
from audiocnn_cli.errors import ExitCode, ModelRefusedError
from audiocnn_cli.models.registry import bundled_models, find_model, own_models
from audiocnn_cli.output.destination import Format, choose_destination
from audiocnn_cli.output.results import write_result
from audiocnn_cli.output.terminal.console import print_error, set_up_logging

app = typer.Typer(
    help="The bundled models and your own: list, show, verify, path, add, remove, export, providers.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="\b\nExamples:\n  audiocnn models list\n  audiocnn models show genre-cnn\n"
    "  audiocnn models add my-model.onnx\n",
)

NameOrFile = Annotated[
    str, typer.Argument(metavar="NAME|FILE", help="A model's name, or an .onnx file.")
]


@app.command(
    "list", epilog="\b\nExamples:\n  audiocnn models list\n  audiocnn models list --json\n"
)
def list_models(
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.Output = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """List the bundled models and your own, each with its honest accuracy."""
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
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


@app.command(
    epilog="\b\nExamples:\n  audiocnn models show genre-cnn\n  audiocnn models show m.onnx --json\n"
)
def show(
    model: NameOrFile,
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.Output = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Show a model's card, or with --json its whole contract."""
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.views.models import ContractView, print_card

    found = find_model(model)
    contract = open_model(found.path).contract
    if destination.format is Format.TABLE and found.card.is_file():
        print_card(found.card.read_text(encoding="utf-8"))
    else:
        write_result(contract, ContractView(), destination)


@app.command(epilog="\b\nExamples:\n  audiocnn models verify genre-cnn\n")
def verify(
    model: NameOrFile,
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.Output = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Check a model's contract and run its golden example; exit 4 if it does not hold."""
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
    from audiocnn_cli.models.golden import check_golden
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.views.models import Verification, VerificationView

    found = find_model(model)
    opened = open_model(found.path)
    check = check_golden(opened)
    write_result(
        Verification(opened.contract.name, found.path, check), VerificationView(), destination
    )
    check.require(found.path)


@app.command(epilog="\b\nExamples:\n  audiocnn models path genre-cnn\n")
def path(model: NameOrFile, version: options.Version = False) -> None:
    """Print where a model's file lies, for other tools."""
    found = find_model(model)
    if not found.path.is_file():
        raise ModelRefusedError(f"{found.path}: no such model file")
    typer.echo(found.path)


app.command(epilog=models_own.ADD_EXAMPLES)(models_own.add)
app.command(epilog=models_own.REMOVE_EXAMPLES)(models_own.remove)
app.command(epilog=models_export.EXAMPLES)(models_export.export)
app.command(epilog=models_providers.EXAMPLES)(models_providers.providers)
