"""`audiocnn models export`: a model for programs that have ONNX Runtime and nothing of audiocnn."""

from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.errors import UsageError
from audiocnn_cli.files import atomic_writer, check_writable
from audiocnn_cli.models.registry import find_model
from audiocnn_cli.output.destination import choose_destination
from audiocnn_cli.output.results import write_result
from audiocnn_cli.output.terminal.console import set_up_logging

EXAMPLES = """\b
Examples:
  audiocnn models export genre-cnn --with-frontend -o genre.onnx
  audiocnn models export my-model.onnx --with-frontend -o phone.onnx --json
"""


def export(
    model: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A model's name, or an .onnx file.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.onnx", help="The file to write.")
    ],
    with_frontend: Annotated[
        bool,
        typer.Option(
            "--with-frontend", help="From the waveform on: cutting, features and mean inside."
        ),
    ] = False,
    json: options.Json = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Write a model as one ONNX file from waveform to probabilities, for a browser or a phone.

    Its input `waveform` is (clips, samples): mono, in [-1, 1], at the model's sample rate, of any length.
    Its output `probabilities` is (clips, labels): what `audiocnn classify` gives. Only standard operators
    are used; the labels and the rate stand in the metadata. Before it is written, it must give for the
    golden signal what the Python path gives, within 0.001.
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=False, csv=False, output=None, force=False)
    if not with_frontend:
        raise UsageError(
            "models export needs --with-frontend; the file without it is where `audiocnn models path` says"
        )
    if output.suffix != ".onnx":
        raise UsageError(f"-o {output}: a model file ends in .onnx")
    check_writable(output, force=force)
    from audiocnn_cli.models.frontend.export import with_frontend as add_frontend
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.views.model_files import Exported, ExportedView

    exported = add_frontend(open_model(find_model(model).path))
    with atomic_writer(output, "wb", force=force) as stream:
        stream.write(exported.content)
    write_result(Exported(exported, output), ExportedView(), destination)
