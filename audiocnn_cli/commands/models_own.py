"""`audiocnn models add` and `remove`: the user's own models beside the bundled ones."""

from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.output.destination import choose_destination
from audiocnn_cli.output.results import write_result
from audiocnn_cli.output.terminal.console import set_up_logging

ADD_EXAMPLES = """\b
Examples:
  audiocnn models add my-model.onnx
  audiocnn models add downloads/birds.onnx --force
"""
REMOVE_EXAMPLES = """\b
Examples:
  audiocnn models remove my-model
"""


def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.onnx", help="A model from `audiocnn train`.")
    ],
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.Output = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace your own model of that name.")
    ] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Put a model beside the bundled ones: `--model NAME` finds it from then on.

    Its contract is checked and its golden example run first. It takes the name that its contract gives it;
    its card, the .md file beside it, comes along.
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
    from audiocnn_cli.models.user_models import add_model
    from audiocnn_cli.output.views.model_files import AddedView

    write_result(add_model(file, force=force), AddedView(), destination)


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of your own models.")],
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.Output = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Delete one of your own models, and its card; the bundled ones stay."""
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
    from audiocnn_cli.models.user_models import remove_model
    from audiocnn_cli.output.views.model_files import RemovedView

    write_result(remove_model(name), RemovedView(), destination)
