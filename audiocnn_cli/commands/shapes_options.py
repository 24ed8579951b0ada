"""The options of `audiocnn shapes`, in groups as its help has them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option
from audiocnn_cli.output.destination import Destination
from audiocnn_cli.shapes.choices import (
    LIST,
    ClipRequest,
    CodeFor,
    FrameRule,
    Framework,
    Like,
    PoolKind,
    architecture_names,
)


def complete_layer(incomplete: str) -> list[str]:
    """The types of layers, and the architectures for --diff, that begin with `incomplete`."""
    from audiocnn_cli.shapes.vocabulary import BASIC_WORDS, WORDS

    names = [name for name in (*BASIC_WORDS, *architecture_names()) if name.startswith(incomplete)]
    return names or [name for name in WORDS if name.startswith(incomplete)]


Text = str | None
Number = int | None
_ARCH = "A named architecture: cnn, resnet50, gpt2...; list prints all."
_SHAPE = "Input shape, channels last: 130x13x1, (None, 130, 13, 1); for ONNX also T=200, NAME=1x40."
_LIKE = "The kind of input, which names its axes."
_RULES = "The framework whose rules apply."


@option_group
class StackOptions:
    """The stack of layers, its input and the rules that apply."""

    heading: ClassVar[str] = "Input"
    input_shape: Annotated[list[str] | None, option(_SHAPE, "--input", metavar="SHAPE")] = None
    arch: Annotated[
        Text, option(_ARCH, metavar="NAME", autocompletion=options.completes(LIST, *architecture_names()))
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
class CodeOptions:
    """The stack in another language."""

    heading: ClassVar[str] = "Code"
    code: Annotated[CodeFor | None, option("Print the stack as code that runs.")] = None
    latex: Annotated[bool, option("Print the stack as a LaTeX table, with the formulas.", "--latex")] = False


@option_group
class ShapesReport(options.Report):
    """As `Report`, with Markdown and shares."""

    markdown: Annotated[bool, option("Print a Markdown table.", "--markdown")] = False
    shares: Annotated[bool, option("Add each layer's share of the MACs.", "--shares")] = False

    def destination(self, logging: options.Logging, **more: Any) -> Destination:
        """As `Report.destination`, with Markdown."""
        return super().destination(logging, markdown=self.markdown, **more)
