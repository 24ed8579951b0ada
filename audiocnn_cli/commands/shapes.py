"""`audiocnn shapes`: the arithmetic of every layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from typer import Argument

from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option
from audiocnn_cli.errors import ImpossibleShapeError, UsageError
from audiocnn_cli.files import check_writable
from audiocnn_cli.output.destination import Destination
from audiocnn_cli.shapes.choices import ClipRequest, FrameRule, Framework, Like, PoolKind, architecture_names

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
  audiocnn shapes --example
Layers: conv, conv1d, depthwise, convtranspose, pool, avgpool, globalavgpool,
adaptiveavgpool, dense, lstm, gru, rnn, flatten, reshape, permute, upsample,
zeropad, dropout, batchnorm, layernorm, relu and other activations, patches,
token, position, attention, select, add, multiply, concat.
net.py:Net runs the file net.py, and exports its PyTorch module Net.
"""


def _complete_layer(incomplete: str) -> list[str]:
    """The types of layers, and the architectures for --diff, that begin with `incomplete`."""
    from audiocnn_cli.shapes.vocabulary import WORDS

    names = (*WORDS, *architecture_names())
    return [name for name in names if name.startswith(incomplete)]


Text = str | None
Number = int | None
_ARCH = "A named architecture: cnn, mlp, lstm, resnet18..."
_SHAPE = "Input shape, channels last, as 130x13x1; for ONNX files also T=200 or NAME=1x40, repeatable."
_LIKE = "The kind of input, which names its axes."
_RULES = "The framework whose rules apply."


@option_group
class StackOptions:
    """The stack of layers, its input and the rules that apply."""

    heading: ClassVar[str] = "Input"
    input_shape: Annotated[list[str] | None, option(_SHAPE, "--input", metavar="SHAPE")] = None
    arch: Annotated[
        Text, option(_ARCH, metavar="NAME", autocompletion=options.completes(*architecture_names()))
    ] = None
    file: Annotated[Path | None, option("A stack from a file.", metavar="FILE.toml")] = None
    framework: Annotated[Framework | None, option(_RULES, default="keras")] = None
    like: Annotated[Like | None, option(_LIKE, default="spectrogram")] = None


@option_group
class LayerOptions:
    """One layer, in place of LAYERS."""

    heading: ClassVar[str] = "One layer"
    kernel: Annotated[Text, option("Kernel size, as 3 or 3x2.")] = None
    stride: Annotated[Text, option("Stride, as 1 or 2x1.")] = None
    padding: Annotated[Text, option("valid, same, causal, N or top,bottom,left,right.")] = None
    filters: Annotated[Text, option("Number of filters (output channels).")] = None
    dilation: Annotated[Text, option("Distance between the weights.")] = None
    groups: Annotated[Text, option("Number of groups of channels.")] = None
    pool: Annotated[PoolKind | None, option("A pooling, not a convolution.")] = None
    ceil: Annotated[bool, option("Pooling: round the output size up.", "--ceil")] = False

    def values(self) -> dict[str, str]:
        """The options that are given, without the kind of pooling."""
        given = {name: value for name, value in vars(self).items() if value not in {None, False}}
        return {name: str(value) for name, value in given.items() if name != "pool"}


@dataclass(frozen=True, kw_only=True)
class ClipOptions(ClipRequest):
    """A clip in place of an input shape."""

    heading: ClassVar[str] = "Clip"
    seconds: Annotated[float | None, option("Length in seconds.")] = None
    samples: Annotated[Number, option("Length in samples.")] = None
    sample_rate: Annotated[Number, option("Sample rate in Hz.", "--sr", "--sample-rate", default="22050")] = (
        None
    )
    hop_length: Annotated[
        Number, option("Samples between frames.", "--hop", "--hop-length", default="512")
    ] = None
    n_fft: Annotated[Number, option("Samples in a frame.", default="2048")] = None
    n_mfcc: Annotated[Number, option("Number of MFCCs.", default="13")] = None
    n_mels: Annotated[Number, option("Mel bands, in place of MFCCs.")] = None
    stft: Annotated[bool, option("Frequency bins, in place of MFCCs.", "--stft")] = False
    frames: Annotated[FrameRule | None, option("How frames are counted.", default="centered")] = None


@option_group
class ExplanationOptions:
    """Explanations, comparisons and the worked example."""

    heading: ClassVar[str] = "Explanation"
    explain: Annotated[bool, option("Explain each layer in sentences.", "--explain")] = False
    layer: Annotated[Number, option("Explain only this layer.", min=1)] = None
    diff: Annotated[
        bool, option("Compare stacks: each argument is a name, a file or 'layers'.", "--diff")
    ] = False
    example: Annotated[bool, option("A convolution worked out by hand.", "--example")] = False
    weights: Annotated[Text, option("Kernel of the example, as '1 0; 0 1'.")] = None
    image: Annotated[Text, option("Image of the example, in the same format.")] = None


@option_group
class DrawingOptions:
    """Drawings of the stack."""

    heading: ClassVar[str] = "Drawing"
    svg: Annotated[Path | None, option("Draw the stack as SVG.", metavar="FILE")] = None
    png: Annotated[Path | None, option("Draw the stack as PNG.", metavar="FILE")] = None

    def given(self) -> dict[str, Path]:
        """The file of each drawing, by its format."""
        return {kind: path for kind, path in vars(self).items() if path}


@option_group
class ShapesReport(options.Report):
    """As `Report`, with Markdown and shares."""

    markdown: Annotated[bool, option("Print a Markdown table.", "--markdown")] = False
    shares: Annotated[bool, option("Add each layer's share of the MACs.", "--shares")] = False

    def destination(self, logging: options.Logging, **more: Any) -> Destination:
        """As `Report.destination`, with Markdown."""
        return super().destination(logging, markdown=self.markdown, **more)


def shapes(
    layers: Annotated[
        list[str] | None,
        Argument(
            metavar="[LAYERS]...",
            help="Layers in order: TYPE:SIZE@KERNEL/STRIDE,OPTION=VALUE, as in conv:32@3x3/2,same.",
            autocompletion=_complete_layer,
        ),
    ] = None,
    *,
    stack: StackOptions,
    one_layer: LayerOptions,
    clip: ClipOptions,
    explanation: ExplanationOptions,
    drawing: DrawingOptions,
    report: ShapesReport,
    logging: options.Logging,
) -> None:
    """Print the shape after every layer of a stack.

    The parameters of each layer, its receptive field and the formulas are printed too.
    """
    logging.set_up()
    destination = report.destination(logging)
    explain = explanation.explain or explanation.layer is not None
    drawings = drawing.given()
    one_stack = explain or drawings
    if (explanation.weights or explanation.image) and not explanation.example:
        raise UsageError("--weights and --image are for --example; add it")
    if one_stack and (explanation.diff or explanation.example):
        raise UsageError("--explain, --svg and --png take one stack, without --diff and --example")
    if explanation.example:
        from audiocnn_cli.output.views.worked import write_worked
        from audiocnn_cli.shapes.worked import read_example

        write_worked(read_example(explanation.image, explanation.weights), destination)
        return
    from audiocnn_cli.shapes.clip import read_clip
    from audiocnn_cli.shapes.work_out import StackRequest

    is_clip = any(value is not None and value is not False for value in vars(clip).values())
    request = StackRequest(
        layers=tuple(layers or ()),
        arch=stack.arch,
        file=stack.file,
        one_layer=one_layer.values(),
        pool=one_layer.pool,
        input_shape=";".join(stack.input_shape) if stack.input_shape else None,
        clip=read_clip(clip, waveform=stack.like is Like.WAVEFORM) if is_clip else None,
        framework=stack.framework,
        like=stack.like,
    )
    if explanation.diff:
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
