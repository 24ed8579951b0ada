"""`audiocnn shapes`: the arithmetic of every layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.errors import ImpossibleShapeError, UsageError
from audiocnn_cli.files import check_writable
from audiocnn_cli.output.destination import Destination, choose_destination
from audiocnn_cli.output.terminal.console import set_up_logging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audiocnn_cli.shapes.choose import StackRequest
    from audiocnn_cli.shapes.report import Report

EXAMPLES = """\b
Examples:
  audiocnn shapes --input 130x13 --kernel 3
  audiocnn shapes --input 130x13x1 conv:32@3x3 pool:3/2,same flatten dense:10
  audiocnn shapes --arch cnn --json
  audiocnn shapes --arch cnn --input 216x20x1
  audiocnn shapes --input 31x2x64 --kernel 3
  audiocnn shapes --samples 51200 --hop 512 --n-mfcc 13
  audiocnn shapes --seconds 3 --sr 22050 --n-mels 64 conv:32@3x3 pool:2 globalavgpool dense:10
  audiocnn shapes --arch resnet18 --framework keras --markdown
  audiocnn shapes model.onnx
  audiocnn shapes --input 130x13 --diff cnn lstm 'flatten dense:10'
  audiocnn shapes --arch cnn --explain --layer 1
  audiocnn shapes --example
Layers: conv, conv1d, depthwise, convtranspose, pool, avgpool, globalavgpool, adaptiveavgpool, dense, lstm,
gru, rnn, flatten, reshape, permute, upsample, zeropad, dropout, batchnorm, layernorm, relu and other
activations, patches, token, position, attention, select, add, multiply, concat.
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
    arch: Annotated[
        str | None, typer.Option(help="A named architecture: cnn, mlp, lstm, resnet18...")
    ] = None,
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
    samples: Annotated[
        int | None, typer.Option(help="A clip in place of --input: samples.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Its length in seconds instead.")] = None,
    sample_rate: Annotated[
        int | None, typer.Option("--sr", help="Its rate in Hz.", show_default="22050")
    ] = None,
    hop_length: Annotated[
        int | None, typer.Option("--hop", help="Samples between frames.", show_default="512")
    ] = None,
    n_fft: Annotated[
        int | None, typer.Option(help="Samples in a frame.", show_default="2048")
    ] = None,
    n_mfcc: Annotated[
        int | None, typer.Option(help="Cepstral coefficients.", show_default="13")
    ] = None,
    n_mels: Annotated[int | None, typer.Option(help="Mel bands in place of MFCCs.")] = None,
    stft: Annotated[bool, typer.Option("--stft", help="Frequency bins in place of MFCCs.")] = False,
    frames: Annotated[
        str | None,
        typer.Option(
            help="How frames are counted: centered, inside or hops.", show_default="centered"
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Walk through each layer in sentences.")
    ] = False,
    layer: Annotated[
        int | None, typer.Option(help="With --explain: only this layer.", min=1)
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="A convolution and a pooling worked out by hand.")
    ] = False,
    weights: Annotated[
        str | None, typer.Option(help="With --example: your kernel, as '1 0 -1; 2 0 -2; 1 0 -1'.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="With --example: your image, in rows.")] = None,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff", help="Each argument is a stack (name, file or 'layers'): compare them."
        ),
    ] = False,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the stack as SVG.")] = None,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the stack as PNG.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
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
    destination = choose_destination(
        json=json, jsonl=jsonl, csv=csv, markdown=markdown, output=output, force=force
    )
    drawings = {kind: path for kind, path in (("svg", svg), ("png", png)) if path}
    explained = explain or layer is not None
    if (weights or image) and not example:
        raise UsageError("--weights and --image are the numbers of --example; add it")
    if (drawings or explained) and (diff or example):
        raise UsageError("--explain, --svg and --png take one stack, without --diff and --example")
    if example:
        from audiocnn_cli.output.views.worked import write_worked
        from audiocnn_cli.shapes.worked import read_example

        write_worked(read_example(image, weights), destination)
        return
    from audiocnn_cli.shapes.choose import StackRequest

    clip = None
    audio = (samples, seconds, sample_rate, hop_length, n_fft, n_mfcc, n_mels, stft or None, frames)
    if any(value is not None for value in audio):
        from audiocnn_cli.shapes.clip import read_clip

        clip = read_clip(
            samples=samples,
            seconds=seconds,
            sample_rate=sample_rate,
            hop_length=hop_length,
            n_fft=n_fft,
            n_mfcc=n_mfcc,
            n_mels=n_mels,
            stft=stft,
            waveform=like == "waveform",
            frames=frames,
        )
    flags = {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "filters": filters,
        "groups": groups,
        "ceil": "yes" if ceil else None,
    }
    wish = StackRequest(
        layers=tuple(layers or ()),
        arch=arch,
        file=file,
        flags={name: value for name, value in flags.items() if value is not None},
        pool=pool,
        input_shape=input_shape,
        clip=clip,
        framework=framework,
        like=like,
    )
    if clip and clip.counts() and not wish.sources and not (drawings or explained or diff):
        from audiocnn_cli.output.views.frames import write_frames

        write_frames(clip, destination)
    elif diff:
        _compare(wish, destination)
    else:
        _show(wish, destination, explain=explained, layer=layer, drawings=drawings, force=force)


def _show(
    wish: "StackRequest",
    destination: Destination,
    *,
    explain: bool,
    layer: int | None,
    drawings: dict[str, Path],
    force: bool,
) -> None:
    """One stack: its table or document, then its drawings."""
    from audiocnn_cli.output.views.shapes import write_report
    from audiocnn_cli.shapes.report import explained, report_of

    for path in drawings.values():
        check_writable(path, force=force)
    report = report_of(wish)
    if explain:
        report = explained(report, layer)
    write_report(report, destination)
    if drawings:
        from audiocnn_cli.output.plots.shapes import draw

        for kind, path in drawings.items():
            draw(report, path, kind=kind, force=force)
    _require_possible([report])


def _compare(wish: "StackRequest", destination: Destination) -> None:
    """Several stacks side by side."""
    from audiocnn_cli.output.views.shape_comparison import write_diff
    from audiocnn_cli.shapes.choose import one_of_several
    from audiocnn_cli.shapes.report import named, report_of

    if not wish.layers:
        raise UsageError("--diff compares its arguments; give two or more, as in --diff cnn lstm")
    reports = [named(report_of(one_of_several(text, wish)), text) for text in wish.layers]
    write_diff(reports, destination)
    _require_possible(reports)


def _require_possible(reports: "Sequence[Report]") -> None:
    """Raise for the first stack that collapses, after all was printed."""
    for report in reports:
        if report.collapse:
            raise ImpossibleShapeError(report.collapse.sentence)
