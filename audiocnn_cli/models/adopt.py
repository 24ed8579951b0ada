"""A model from elsewhere gets a contract: its graph is compared with what the user states about it."""

import logging
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.models import runtime
from audiocnn_cli.models.contract import (
    METADATA_KEY,
    NOT_STATED,
    DataStatement,
    Golden,
    GraphBinding,
    ModelContract,
    decode,
    encode,
)
from audiocnn_cli.models.description import Description
from audiocnn_cli.models.golden import golden_output
from audiocnn_cli.models.runtime import sizes
from audiocnn_cli.models.session import Model, bound, contract_document
from audiocnn_cli.models.signature import Activation, Layout

DEFAULT_SEGMENT_S = 3.0
# A label of several independent ones is given when it is more likely than not.
_MULTI_LABEL_THRESHOLD = 0.5
_GOLDEN_SEGMENTS = 1.5
# Operators whose output holds probabilities if their input does.
_PASSING = frozenset(
    {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "ReduceMean", "Transpose"}
)
# The operators of a graph that compute probabilities.
_OPERATORS = {"Softmax": Activation.SOFTMAX, "Sigmoid": Activation.SIGMOID}
_log = logging.getLogger("audiocnn")


def adopt(path: Path, description: Description) -> Model:
    """Open the ONNX file at `path`, which has no contract, with one made from `description`.

    The golden example is what the model gives now; nothing is written.

    Raises:
        ModelRefusedError: it is no ONNX model, or does not take or give what the description states.
        UsageError: it has a contract, or the graph does not determine what the description leaves out.
    """
    proto = runtime.require_harmless(path)
    session = runtime.open_session(path)
    if contract_document(session) is not None:
        raise UsageError(
            f"{path}: has a contract with its own labels and features; leave out `labels` and the options"
            " that describe a model"
        )
    features, means = description.features, len(description.normalization.mean)
    if means not in (0, 1, features.n_bins):
        raise UsageError(
            f"`normalize` has {means} means; give one, or one for each of {features.n_bins} bins"
        )
    fed, lengths = _inputs(session, description.lengths, path)
    layout, length = _fit_layout(fed.shape, description, path)
    output = _find_output(session, description, path)
    applied, multi_label = _activations(proto, output, description, path)
    threshold = _MULTI_LABEL_THRESHOLD if multi_label else 0.0
    golden = Golden(
        duration_s=max(_GOLDEN_SEGMENTS * length, features.n_fft) / features.sample_rate,
        probabilities=(0.0,) * len(description.labels),
    )
    draft = ModelContract(
        name=path.stem if description.name is None else description.name,
        labels=description.labels,
        features=features,
        segment=SegmentConfig(length=length, hop=length),
        activation=Activation.SIGMOID if multi_label else Activation.SOFTMAX,
        threshold=threshold if description.threshold is None else description.threshold,
        sound_type=description.sound_type,
        task=description.task,
        input_shape=(features.n_frames(length), features.n_bins),
        data=DataStatement(name=NOT_STATED, licence=NOT_STATED),
        golden=golden,
        architecture=NOT_STATED,
        command=description.command,
        graph=GraphBinding(
            layout=layout,
            input=fed.name,
            output=output,
            lengths=lengths,
            single=not layout.batched or isinstance(fed.shape[0], int),
            mean=description.normalization.mean,
            std=description.normalization.std,
            activation=applied,
            embedding=description.embedding,
        ),
    )
    decode(encode(draft), where=str(path))  # every field holds, before the model runs
    model = bound(path, draft, session)
    probabilities = golden_output(model, duration_s=golden.duration_s)
    return replace(model, contract=replace(draft, golden=replace(golden, probabilities=probabilities)))


def content_with(document: str, path: Path) -> bytes:
    """The ONNX file at `path` with the contract `document`, and with weights that it keeps in other files.

    Raises:
        ModelRefusedError: weights are missing, or the whole is larger than the 2 GiB of one ONNX file.
    """
    try:
        proto = onnx.load(path)
        metadata = {entry.key: entry.value for entry in proto.metadata_props}
        onnx.helper.set_model_props(proto, metadata | {METADATA_KEY: document})
        return bytes(proto.SerializeToString(deterministic=True))
    except Exception as error:  # onnx, protobuf and the file system have no root in common
        raise ModelRefusedError(
            f"{path}: can't be written as one file ({runtime.first_line(error)})"
        ) from error


def _inputs(session: Any, named: str | None, path: Path) -> tuple[Any, str | None]:
    """The input for the features, and the name of the one for lengths, if there is one."""
    inputs = {each.name: each for each in session.get_inputs()}
    found = ", ".join(f"{name} {each.type} ({sizes(each.shape)})" for name, each in inputs.items())
    if named is not None and named not in inputs:
        raise UsageError(f"{path}: has no input {named!r}; it has {found or 'none'}")
    # Integers come first.
    small = [
        name
        for types in (runtime.INTEGERS, runtime.FLOATS)
        for name, each in inputs.items()
        if len(each.shape) < 2 and each.type in types
    ]
    lengths = small[0] if named is None and len(inputs) == 2 and small else named
    others = [each for name, each in inputs.items() if name != lengths]
    if [each.type in runtime.FLOATS for each in others] != [True] or lengths not in (None, *small):
        raise ModelRefusedError(
            f"{path}: its inputs are {found or 'none'}; supported are one of type"
            f" {' or '.join(runtime.FLOATS)} and optionally one of lengths with one axis"
        )
    return others[0], lengths


def _fit_layout(
    graph: Sequence[int | str | None], description: Description, path: Path
) -> tuple[Layout, int]:
    """The order of the input's axes, and the samples of a segment."""
    features = description.features
    if features.feature is Feature.COMPLEX:
        raise UsageError("`feature=complex` has a real and an imaginary part; no model input has")
    waveform = features.feature is Feature.WAVEFORM
    seconds = DEFAULT_SEGMENT_S if description.segment_s is None else description.segment_s
    length = round(seconds * features.sample_rate)
    given = features.n_frames(length)
    if length < 1 or given < 1:
        raise UsageError(f"`segment={seconds:g}` is shorter than one frame")
    required = given if description.segment_s is not None else None
    # An axis of fixed size is that of the bins or of the channel, a free one that of the frames.
    of_kind = [each for each in Layout if each.of_waveform == waveform and description.layout in (None, each)]
    fixed = {each: each.fixed_axes(graph) for each in of_kind if len(each.axes) == len(graph)}
    likely = [each for each in fixed if fixed[each] == max(fixed.values())]
    fitting = [each for each in likely if each.fits(graph, frames=required, bins=features.n_bins)]
    if not fitting:
        stated = description.layout or (Layout.NT if waveform else Layout.NTF)
        takes = [size if i or isinstance(size, int) else "N" for i, size in enumerate(graph)]
        raise ModelRefusedError(
            f"{path}: its input is {sizes(takes)}, these options give"
            f" {sizes(stated.shape(given, features.n_bins))}; change the options of features, `segment` or"
            " `layout`"
        )
    if len(fitting) > 1:
        raise UsageError(
            f"{path}: the axes of its input {sizes(graph)} can be in several orders; add"
            f" `layout={' or '.join(fitting)}`"
        )
    frames = graph[fitting[0].axes.index("T")]
    if required is None and isinstance(frames, int):
        length = _samples_for(frames, features)
    return fitting[0], length


def _samples_for(frames: int, features: FeatureConfig) -> int:
    """The fewest samples that give so many frames."""
    if features.feature is Feature.WAVEFORM:
        return frames
    most = (frames + 1) * features.hop_length + features.n_fft
    return 1 + bisect_left(range(1, most + 1), frames, key=features.n_frames)


def _find_output(session: Any, description: Description, path: Path) -> str:
    """The output that is stated, or the only one with a number for each label."""
    outputs = {each.name: each for each in session.get_outputs()}
    described = ", ".join(f"{name} ({sizes(each.shape)})" for name, each in outputs.items())
    for name in (description.output, description.embedding):
        if name is not None and name not in outputs:
            raise UsageError(f"{path}: has no output {name!r}; it has {described}")
    count = len(description.labels)
    fitting: list[str] = [
        name
        for name, each in outputs.items()
        if description.output in (None, name)
        and (name == description.output or name != description.embedding)
        and each.type in runtime.FLOATS
        and each.shape
        and (not isinstance(each.shape[-1], int) or each.shape[-1] == count)
    ]
    if not fitting:
        raise ModelRefusedError(
            f"{path}: there are {count} labels, and its outputs are {described}; one must have a number for"
            " each label on its last axis"
        )
    if len(fitting) > 1:
        raise UsageError(
            f"{path}: its outputs {', '.join(fitting)} fit the labels; name one with `output_name`"
        )
    return fitting[0]


def _activations(
    proto: onnx.ModelProto, output: str, description: Description, path: Path
) -> tuple[Activation, bool]:
    """The activation to apply to the output, and whether the labels are independent."""
    makers = {name: node for node in proto.graph.node for name in node.output}
    node = makers.get(output)
    while node is not None and node.op_type in _PASSING and node.input:
        node = makers.get(node.input[0])
    inside = None if node is None else _OPERATORS.get(node.op_type)
    applied = description.activation or (inside and Activation.NONE)
    if applied is None:
        applied = Activation.SIGMOID if description.multi_label else Activation.SOFTMAX
        _log.warning(
            "%s: no Softmax or Sigmoid computes its output %s, so %s is applied; `activation` overrides",
            path,
            output,
            applied,
        )
    return applied, description.multi_label or Activation.SIGMOID in (applied, inside)
