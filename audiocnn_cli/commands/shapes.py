"""`audiocnn shapes`: the arithmetic of every layer."""

from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.errors import ImpossibleShapeError
from audiocnn_cli.output.console import set_up_logging
from audiocnn_cli.output.destination import choose_destination

EXAMPLES = """\b
Examples:
  audiocnn shapes --input 130x13 --kernel 3
  audiocnn shapes --input 130x13x1 conv:32@3x3 pool:3/2,same flatten dense:10
  audiocnn shapes --arch cnn --json
  audiocnn shapes --arch cnn --input 216x20x1
  audiocnn shapes --input 31x2x64 --kernel 3
"""


def shapes(
    layers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[LAYERS]...",
            help="Layers in order: TYPE:SIZE@KERNEL/STRIDE,OPTION=VALUE, as in conv:32@3x3/2,same.",
        ),
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option("--input", metavar="SHAPE", help="As 130x13x1, channels last.")
    ] = None,
    arch: Annotated[str | None, typer.Option(help="A named architecture: cnn, mlp, lstm.")] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="A stack from a TOML file.")
    ] = None,
    kernel: Annotated[str | None, typer.Option(help="One layer: its kernel, as 3 or 3x2.")] = None,
    stride: Annotated[str | None, typer.Option(help="Steps of the kernel, as 1 or 2x1.")] = None,
    padding: Annotated[
        str | None,
        typer.Option(help="valid, same, same-lower, causal, N, or top,bottom,left,right."),
    ] = None,
    dilation: Annotated[str | None, typer.Option(help="Distance between the weights.")] = None,
    filters: Annotated[str | None, typer.Option(help="Kernels, so channels of the output.")] = None,
    groups: Annotated[str | None, typer.Option(help="Groups of channels that don't mix.")] = None,
    pool: Annotated[
        str | None, typer.Option(metavar="KIND", help="One pooling layer: max or avg.")
    ] = None,
    ceil: Annotated[
        bool, typer.Option("--ceil", help="Pooling keeps a last partial window.")
    ] = False,
    framework: Annotated[
        str | None,
        typer.Option(help="Whose rules: keras, torch or onnx.", show_default="keras"),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(help="spectrogram, waveform (1-D) or image.", show_default="spectrogram"),
    ] = None,
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.Output = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Work out the shape after every layer, its parameters and its receptive field, with the formula."""
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
    from audiocnn_cli.output.shape_view import write_trace
    from audiocnn_cli.shapes.choose import choose_stack, work_out
    from audiocnn_cli.shapes.collapse import Collapse

    flags = {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "filters": filters,
        "groups": groups,
        "ceil": "yes" if ceil else None,
    }
    stack = choose_stack(
        layers or [],
        arch=arch,
        file=file,
        flags={name: value for name, value in flags.items() if value is not None},
        pool=pool,
        input_shape=input_shape,
        framework=framework,
        like=like,
    )
    result = work_out(stack)
    write_trace(result, destination)
    if isinstance(result, Collapse):
        raise ImpossibleShapeError(result.sentence)
