"""A model from elsewhere: an ONNX file without the contract, with what the user says of it instead."""

import logging
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.models import runtime
from audiocnn_cli.models.contract import METADATA_KEY
from audiocnn_cli.models.guard import require_harmless
from audiocnn_cli.models.layout import Layout
from audiocnn_cli.models.runtime import sizes
from audiocnn_cli.models.session import Graph, Model, contract_document
from audiocnn_cli.models.signature import Activation, Signature

if TYPE_CHECKING:
    from onnx import ModelProto

DEFAULT_SEGMENT_S = 3.0
# Of independent labels each is said when it is more likely than not.
_EVEN = 0.5
# Operators that hand probabilities on as probabilities.
_PASSING = frozenset(
    {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "ReduceMean", "Transpose"}
)
_log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the user says of a model that says nothing of itself.

    None means: as many seconds as the graph wants frames for (3 s where it takes any), the axes that fit
    the graph, the only output with a number a label, the activation that the graph doesn't have yet.
    """

    labels: tuple[str, ...]
    features: FeatureConfig
    segment_s: float | None = None
    layout: Layout | None = None
    output: str | None = None
    activation: Activation | None = None
    multi_label: bool = False


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels in a text file, one a line in the order of the model's outputs.

    Raises:
        UsageError: it can't be read, holds an empty line between others, or a label twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UsageError(f"--labels {path}: can't be read ({reason})") from error
    labels = [line.strip() for line in text.rstrip().split("\n")]
    for number, label in enumerate(labels, start=1):
        if not label:
            raise UsageError(f"--labels {path}: line {number} is empty; one label a line")
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        lines = [n for n, label in enumerate(labels, start=1) if label == twice[0]]
        raise UsageError(
            f"--labels {path}: {twice[0]!r} stands on the lines {', '.join(map(str, lines))}; each label once"
        )
    return tuple(labels)


def open_foreign(path: Path, said: Description, *, provider: str = runtime.CPU) -> Model:
    """Open an ONNX file as `said`, checked against its graph.

    Raises:
        ModelRefusedError: it is no ONNX model, has a contract of its own, or does not take or give what the
            description says; the sentence names both shapes.
        UsageError: the graph doesn't tell what the description leaves out, or the provider is not here.
    """
    proto = require_harmless(path)
    session = runtime.open_session(path, provider=provider)
    if contract_document(session) is not None:
        raise UsageError(
            f"{path}: has an '{METADATA_KEY}' document with its own labels and features; leave out --labels"
        )
    fed = _only_input(session, path)
    layout, length = _feeding(fed.shape, said, path)
    output = _output(session, said, path)
    made_by = _maker(proto, output)
    activation = said.activation or _missing_activation(made_by, output, path)
    multi = said.multi_label or Activation.SIGMOID in (activation, made_by)
    signature = Signature(
        name=path.stem,
        labels=said.labels,
        features=said.features,
        segment=SegmentConfig(length=length, hop=length),
        activation=Activation.SIGMOID if multi else Activation.SOFTMAX,
        threshold=_EVEN if multi else 0.0,
    )
    alone = not layout.batched or isinstance(fed.shape[0], int)
    return Model(path, signature, session, Graph(layout, output, alone, activation))


def _only_input(session: Any, path: Path) -> Any:
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        found = ", ".join(f"{each.name} ({each.type})" for each in inputs) or "none"
        raise ModelRefusedError(
            f"{path}: has the inputs {found}; one of type tensor(float) can be fed"
        )
    return inputs[0]


def _feeding(graph: list[int | str | None], said: Description, path: Path) -> tuple[Layout, int]:
    """The order of the input's axes, and the samples of a segment."""
    features = said.features
    if features.feature is Feature.COMPLEX:
        raise UsageError("--feature complex has a real and an imaginary part: no model is fed that")
    waveform = features.feature is Feature.WAVEFORM
    length = round((said.segment_s or DEFAULT_SEGMENT_S) * features.sample_rate)
    if length < features.n_fft and not waveform and not features.center:
        raise UsageError(f"--segment {said.segment_s:g}: is less than one frame")
    given = features.n_frames(length)
    asked = given if said.segment_s is not None else None
    kinds = [layout for layout in Layout if layout.of_waveform == waveform]
    fitting = [
        layout
        for layout in kinds
        if said.layout in (None, layout) and layout.fits(graph, frames=asked, bins=features.n_bins)
    ]
    if not fitting:
        fed = (said.layout or (Layout.NT if waveform else Layout.NTF)).shape(given, features.n_bins)
        wanted = [size if i or isinstance(size, int) else "N" for i, size in enumerate(graph)]
        raise ModelRefusedError(
            f"{path}: the model wants {sizes(wanted)}, these options give {sizes(fed)}; other feature"
            " options, --segment or --layout may fit"
        )
    if len(fitting) > 1:
        raise UsageError(
            f"{path}: its input {sizes(graph)} doesn't say which axis is which; add --layout"
            f" {' or '.join(fitting)}"
        )
    frames = graph[fitting[0].axes.index("T")]
    if asked is None and isinstance(frames, int):
        length = _samples_for(frames, features)
    return fitting[0], length


def _samples_for(frames: int, features: FeatureConfig) -> int:
    """The fewest samples that give so many frames."""
    most = (frames + 1) * features.hop_length + features.n_fft
    if features.feature is Feature.WAVEFORM:
        return frames
    return 1 + bisect_left(range(1, most + 1), frames, key=features.n_frames)


def _output(session: Any, said: Description, path: Path) -> str:
    """The output to read: the one asked for, or the only one with a number for each label."""
    outputs = {each.name: each for each in session.get_outputs()}
    described = ", ".join(f"{name} ({sizes(each.shape)})" for name, each in outputs.items())
    if said.output is not None and said.output not in outputs:
        raise UsageError(f"{path}: has no output {said.output!r}; it has {described}")
    count = len(said.labels)
    fitting: list[str] = [
        name
        for name, each in outputs.items()
        if said.output in (None, name)
        and each.type.startswith("tensor(")
        and each.shape
        and (not isinstance(each.shape[-1], int) or each.shape[-1] == count)
    ]
    if not fitting:
        raise ModelRefusedError(
            f"{path}: there are {count} labels, and the model gives {described}; one label for each number of"
            " an output"
        )
    if len(fitting) > 1:
        raise UsageError(
            f"{path}: its outputs {', '.join(fitting)} fit the labels; add --output-name"
        )
    return fitting[0]


def _maker(proto: "ModelProto", output: str) -> Activation | None:
    """The activation that the graph itself ends with, as far as can be told."""
    makers = {name: node for node in proto.graph.node for name in node.output}
    node = makers.get(output)
    while node is not None and node.op_type in _PASSING and node.input:
        node = makers.get(node.input[0])
    found = {"Softmax": Activation.SOFTMAX, "Sigmoid": Activation.SIGMOID}
    return found.get(node.op_type) if node is not None else None


def _missing_activation(made_by: Activation | None, output: str, path: Path) -> Activation:
    if made_by is not None:
        return Activation.NONE
    _log.warning(
        "%s: its output %s comes from no Softmax or Sigmoid and is taken for logits of one label of many;"
        " --activation says otherwise",
        path,
        output,
    )
    return Activation.SOFTMAX
