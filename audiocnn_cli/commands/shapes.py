"""`audiocnn shapes`: the arithmetic of every layer."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from audiocnn_cli.commands import options
from audiocnn_cli.commands.shapes_options import (
    ClipOptions,
    CodeOptions,
    DrawingOptions,
    ExplanationOptions,
    LayerOptions,
    ShapesReport,
    StackOptions,
    complete_layer,
)
from audiocnn_cli.errors import ImpossibleShapeError, UsageError
from audiocnn_cli.files import atomic_writer, check_writable
from audiocnn_cli.output.destination import Destination, Format, require_no_recording
from audiocnn_cli.shapes.choices import LIST

if TYPE_CHECKING:
    from audiocnn_cli.shapes.report import Report
    from audiocnn_cli.shapes.work_out import StackRequest

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
  audiocnn shapes model.onnx --input T=200 --shares
  audiocnn shapes net.py:Net --input 1x40x200
  audiocnn shapes --input 130x13 --diff cnn lstm 'flatten dense:10'
  audiocnn shapes --arch cnn --explain --layer 1
  audiocnn shapes --arch list
  audiocnn shapes --arch wavenet --seconds 2
  audiocnn shapes --input '(None, 130, 13, 1)' Conv2D:32@3x3 MaxPooling2D:2 Flatten Dense:10
  audiocnn shapes --arch cnn --code torch -o net.py
  audiocnn shapes --arch cnn --latex -o cnn.tex
  audiocnn shapes --example
Layers: conv, conv1d, conv3d, depthwise, separable, convtranspose, pool, avgpool,
globalavgpool, adaptiveavgpool, dense, lstm, gru, rnn, embedding, flatten,
reshape, permute, upsample, zeropad, dropout, batchnorm, layernorm, groupnorm,
prelu, relu and other activations, glu, patches, token, position, attention,
select, add, multiply, concat; also by the names of Keras and PyTorch (Conv2d,
MaxPooling2D, Linear). net.py:Net runs the file net.py, and exports its PyTorch
module Net.
"""


def shapes(
    layers: Annotated[
        list[str] | None,
        Argument(
            metavar="[LAYERS]...",
            help="Layers in order: TYPE:SIZE@KERNEL/STRIDE,OPTION=VALUE, as in conv:32@3x3/2,same.",
            autocompletion=complete_layer,
        ),
    ] = None,
    *,
    stack: StackOptions,
    one_layer: LayerOptions,
    clip: ClipOptions,
    explanation: ExplanationOptions,
    drawing: DrawingOptions,
    code: CodeOptions,
    report: ShapesReport,
    logging: options.Logging,
) -> None:
    """Print the shape after every layer of a stack.

    The parameters of each layer, its receptive field and the formulas are printed too.
    """
    logging.set_up()
    in_code = bool(code.code or code.latex)
    destination = Destination(Format.TABLE) if in_code else report.destination(logging)
    if stack.arch == LIST:
        given = [*vars(stack).values(), *vars(one_layer).values(), *vars(clip).values()]
        given += [*vars(explanation).values(), *vars(drawing).values()]
        _list(destination, others=(layers, in_code, *(each for each in given if each != LIST)))
        return
    explain = explanation.explain or explanation.layer is not None
    drawings = drawing.given()
    one_stack = bool(explain or drawings)
    _check_modes(explanation, one_stack=one_stack, in_code=in_code)
    if explanation.example:
        from audiocnn_cli.output.views.worked import write_worked
        from audiocnn_cli.shapes.worked import read_example

        write_worked(read_example(explanation.image, explanation.weights), destination)
        return
    request = _request(layers, stack, one_layer, clip)
    if in_code:
        _write_code(request, code, report)
    elif explanation.diff:
        _compare(request, destination)
    elif request.clip and request.clip.counts() and not request.sources and not one_stack:
        from audiocnn_cli.output.views.frames import write_frames

        write_frames(request.clip, destination)
    else:
        for path in drawings.values():
            check_writable(path, force=report.force)
        found = _show(request, destination, explanation if explain else None, shares=report.shares)
        if drawings:
            from audiocnn_cli.output.plots.shapes import draw

            for kind, path in drawings.items():
                draw(found, path, kind=kind, force=report.force)
        _require_possible([found])


def _check_modes(explanation: ExplanationOptions, *, one_stack: bool, in_code: bool) -> None:
    """Refuse options that are for another kind of result."""
    if (explanation.weights or explanation.image) and not explanation.example:
        raise UsageError("--weights and --image are for --example; add it")
    if one_stack and (explanation.diff or explanation.example):
        raise UsageError("--explain, --svg and --png take one stack, without --diff and --example")
    if in_code and (one_stack or explanation.diff or explanation.example):
        raise UsageError(
            "--code and --latex print one stack, without --explain, --diff, --example, --svg and --png"
        )


def _request(
    layers: list[str] | None, stack: StackOptions, one_layer: LayerOptions, clip: ClipOptions
) -> "StackRequest":
    """The stack that the options mean, and its input."""
    from audiocnn_cli.shapes.clip import read_clip
    from audiocnn_cli.shapes.inputs import clip_request
    from audiocnn_cli.shapes.work_out import StackRequest

    found = None
    if any(value is not None and value is not False for value in vars(clip).values()):
        own, is_waveform = clip_request(clip, arch=stack.arch, file=stack.file, like=stack.like)
        found = read_clip(own, waveform=is_waveform)
    return StackRequest(
        layers=tuple(layers or ()),
        arch=stack.arch,
        file=stack.file,
        one_layer=one_layer.values(),
        pool=one_layer.pool,
        input_shape=";".join(stack.input_shape) if stack.input_shape else None,
        clip=found,
        framework=stack.framework,
        like=stack.like,
    )


def _show(
    request: "StackRequest", destination: Destination, explanation: ExplanationOptions | None, *, shares: bool
) -> "Report":
    """Write the table or the document of one stack."""
    from audiocnn_cli.output.views.shapes import write_report
    from audiocnn_cli.shapes.work_out import report_of, with_explanation

    report = replace(report_of(request), shares=shares)
    if explanation:
        report = with_explanation(report, explanation.layer)
    write_report(report, destination)
    return report


def _list(destination: Destination, *, others: Sequence[object]) -> None:
    """Write the named architectures."""
    if any(others):
        raise UsageError("--arch list prints the names; leave out what describes a stack")
    from audiocnn_cli.output.views.architectures import write_architectures
    from audiocnn_cli.shapes.listing import list_architectures

    write_architectures(tuple(list_architectures()), destination)


def _write_code(request: "StackRequest", code: CodeOptions, report: ShapesReport) -> None:
    """Write one stack as code or LaTeX, to a file of any suffix or to stdout."""
    if code.code and code.latex:
        raise UsageError("give --code or --latex, not both")
    if report.json or report.jsonl or report.csv or report.markdown:
        raise UsageError("--code and --latex print text; leave out --json, --jsonl, --csv and --markdown")
    from audiocnn_cli.shapes.code.write import code_of, latex_of_request

    text = code_of(request, code.code) if code.code else latex_of_request(request)
    if report.output is None:
        sys.stdout.write(text)
        return
    require_no_recording(report.output)
    with atomic_writer(report.output, "w", force=report.force) as stream:
        stream.write(text)


def _compare(request: "StackRequest", destination: Destination) -> None:
    """Write several stacks side by side."""
    from audiocnn_cli.output.views.shape_comparison import write_diff
    from audiocnn_cli.shapes.work_out import one_of_several, report_of, with_title

    if not request.layers:
        raise UsageError("--diff compares its arguments; give two or more, as in --diff cnn lstm")
    reports = [with_title(report_of(one_of_several(text, request)), text) for text in request.layers]
    write_diff(reports, destination)
    _require_possible(reports)


def _require_possible(reports: "Sequence[Report]") -> None:
    """Raise for the first stack that collapses, after everything was written."""
    for report in reports:
        if report.collapse:
            raise ImpossibleShapeError(report.collapse.sentence)
