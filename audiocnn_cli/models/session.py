"""An opened model: its contract, and the ONNX Runtime session that runs it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.models import runtime
from audiocnn_cli.models.contract import EMBEDDING, METADATA_KEY, OUTPUTS, GraphBinding, ModelContract, decode
from audiocnn_cli.models.registry import is_installed
from audiocnn_cli.models.signature import Activation, Kind, Layout

# Rounding may put a probability this far outside 0 to 1.
_ROUNDING = 1e-3
# Numbers of mel bands in common use: of two fixed axes the one of such a size holds the bins.
_USUAL_BINS = frozenset({32, 40, 48, 64, 80, 96, 128, 229, 256})
# Fewer bins than this are more often cepstral coefficients than mel bands.
_FEWEST_MELS = 32


@dataclass(frozen=True, slots=True)
class Model:
    """An opened model; safe to use from several threads.

    `binding` is `contract.graph`, or what holds for models without it. `types` has the NumPy type of each
    input.
    """

    path: Path
    contract: ModelContract
    session: Any  # onnxruntime.InferenceSession, which ships no types
    binding: GraphBinding
    types: Mapping[str, str]

    @property
    def signature(self) -> ModelContract:
        """The contract, for code that reads no more of it than a `Signature` has."""
        return self.contract

    def feeds(self, tensors: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """The inputs of the graph for tensors (segments, frames, bins); of one segment if it is `single`."""
        binding = self.binding
        segments, frames = tensors.shape[:2]
        if binding.mean:
            mean, std = np.array([binding.mean, binding.std], dtype=np.float32)
            tensors = (tensors - mean) / std
        fed = {binding.input: _arranged(tensors, binding.layout)}
        if binding.lengths is not None:
            shapes = {each.name: each.shape for each in self.session.get_inputs()}
            fed[binding.lengths] = np.full([segments][: len(shapes[binding.lengths])], frames)
        return {name: array.astype(self.types[name], copy=False) for name, array in fed.items()}

    @property
    def width(self) -> int:
        """Numbers of a segment in `scores`: labels, dimensions of an embedding, or 1 for a value."""
        contract = self.contract
        return contract.dimensions or 0 if contract.kind is Kind.EMBEDDING else len(contract.labels)

    def scores(self, tensors: NDArray[np.float32], *, member: int | None = None) -> NDArray[np.float32]:
        """Feature tensors of shape (segments, frames, bins) to the model's own output (segments, width).

        These are probabilities of the labels, an embedding, or values; with `member` those of one member.

        Raises:
            ModelRefusedError: the graph fails on them, or its output holds no such numbers.
        """
        if self.contract.members == 1:
            member = None
        output = self.binding.output if member is None else OUTPUTS[self.contract.kind][1]
        rows = self._all_rows(tensors, output, width=self.width, member=member)
        result = activate(rows, self.binding.activation)
        if self.contract.kind is not Kind.CLASSIFICATION:
            return self._finite(result, output)
        if not ((result >= -_ROUNDING) & (result <= 1 + _ROUNDING)).all():
            raise ModelRefusedError(
                f"{self.path}: its output {self.binding.output} holds values outside 0 to 1, no"
                " probabilities; for a model from elsewhere `activation=softmax` or `activation=sigmoid` of"
                " `audiocnn models add` computes them"
            )
        return result

    @property
    def embedding_output(self) -> str | None:
        """The output that holds an embedding; None if there is none."""
        stated = self.binding.embedding or (EMBEDDING if self.contract.dimensions else None)
        return self.binding.output if self.contract.kind is Kind.EMBEDDING else stated

    def embeddings(self, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feature tensors of shape (segments, frames, bins) to embeddings (segments, dimensions).

        Raises:
            UsageError: the model has no embedding.
            ModelRefusedError: the graph fails on them, or gives numbers that are not finite.
        """
        output = self.embedding_output
        if output is None:
            raise UsageError(
                f"`model={self.contract.name}`: has no embedding; use music, sound, speech, or a model added"
                " with `embedding=OUTPUT`"
            )
        return self._finite(self._all_rows(tensors, output, width=self.contract.dimensions), output)

    def _finite(self, numbers: NDArray[np.float32], output: str) -> NDArray[np.float32]:
        if not np.isfinite(numbers).all():
            raise ModelRefusedError(f"{self.path}: its output {output} holds numbers that are not finite")
        return numbers

    def _all_rows(
        self, tensors: NDArray[np.float32], output: str, *, width: int | None, member: int | None = None
    ) -> NDArray[np.float32]:
        step = 1 if self.binding.single else len(tensors)
        pieces = (tensors[i : i + step] for i in range(0, len(tensors), step))
        return np.concatenate([self._rows(piece, output, width, member) for piece in pieces])

    def _rows(
        self, tensors: NDArray[np.float32], output: str, width: int | None, member: int | None
    ) -> NDArray[np.float32]:
        """An output for some segments, shape (segments, width); the mean if each has several rows."""
        segments = len(tensors)
        found = runtime.run(self.session, output, self.feeds(tensors), where=str(self.path))
        width = width or found.shape[-1]
        if found.shape == (segments, width):
            return found
        if found.shape[-1:] != (width,) or found.size % (segments * width):
            raise ModelRefusedError(
                f"{self.path}: its output {output} is {runtime.sizes(found.shape)} for {segments} segments,"
                f" which is not {width} numbers for each, as its labels or dimensions require"
            )
        rows = found.reshape(segments, -1, width)
        return np.asarray(rows.mean(axis=1) if member is None else rows[:, member])


def _arranged(tensors: NDArray[np.float32], layout: Layout) -> NDArray[np.float32]:
    """Tensors (segments, frames, bins) with their axes in the order of `layout`."""
    # The first bin is the waveform, the first segment the only one.
    index = [slice(None) if axis in layout.axes else 0 for axis in "NTF"]
    kept = [axis for axis in "NTF" if axis in layout.axes]
    order = [kept.index(axis) for axis in layout.axes if axis != "1"]
    ones = [i for i, axis in enumerate(layout.axes) if axis == "1"]
    return np.ascontiguousarray(np.expand_dims(tensors[tuple(index)].transpose(order), tuple(ones)))


def open_labelling(path: Path, *, provider: str = runtime.CPU) -> Model:
    """As `open_model`, for a model that gives labels or a value.

    Raises:
        ModelRefusedError: as `open_model`, or it gives embeddings only.
        UsageError: as `open_model`.
    """
    model = open_model(path, provider=provider)
    if model.contract.kind is Kind.EMBEDDING:
        raise ModelRefusedError(
            f"{model.contract.name}: is a backbone, it gives an embedding and no labels; `audiocnn embed"
            f" --model {model.contract.name}` writes it, `audiocnn train --backbone {model.contract.name}`"
            " fits labels on it"
        )
    return model


def open_model(path: Path, *, provider: str = runtime.CPU) -> Model:
    """Open the model file at `path`, and check its graph against its contract.

    Raises:
        ModelRefusedError: it is missing, is not ONNX, has no contract, or the contract does not hold.
        UsageError: the execution provider is not installed.
    """
    if not is_installed(path):
        runtime.require_harmless(path)
    session = runtime.open_session(path, provider=provider)
    document = contract_document(session)
    if document is None:
        raise ModelRefusedError(_proposal(path, session))
    return bound(path, decode(document, where=str(path)), session)


def contract_document(session: Any) -> Any:
    """The contract in the metadata of a session's model, a string that is not decoded; None without one."""
    return session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)


def bound(path: Path, contract: ModelContract, session: Any) -> Model:
    """The model of a contract and a session.

    Raises:
        ModelRefusedError: the graph does not have the inputs or outputs that the contract states.
    """
    inputs = {each.name: each for each in session.get_inputs()}
    first = next(iter(inputs), "")
    binding = contract.graph or GraphBinding(
        layout=Layout.NTF1 if len(contract.input_shape) == 3 else Layout.NTF,
        input=first,
        output=OUTPUTS[contract.kind][0],
    )
    outputs = {each.name: each.shape for each in session.get_outputs()}
    for holds, problem in _rules(contract, binding, inputs, outputs):
        if not holds:
            raise ModelRefusedError(f"{path}: the contract does not hold: {problem}")
    types = {name: (runtime.FLOATS | runtime.INTEGERS)[each.type] for name, each in inputs.items()}
    return Model(path, contract, session, binding, types)


def _rules(
    contract: ModelContract,
    binding: GraphBinding,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Sequence[int | str | None]],
) -> Iterator[tuple[bool, str]]:
    """What must hold, each with the problem if it does not; later rules rely on earlier ones."""
    stated = {binding.input, binding.lengths} - {None}
    yield set(inputs) == stated, f"its inputs are not those of the graph: {', '.join(inputs)}"
    for name, each in inputs.items():
        allowed = runtime.FLOATS | (runtime.INTEGERS if name == binding.lengths else {})
        yield each.type in allowed, f"input {name} is {each.type}, not {' or '.join(allowed)}"
    shape, (frames, bins) = inputs[binding.input].shape, contract.input_shape[:2]
    yield (
        binding.layout.fits(shape, frames=frames, bins=bins)
        and (binding.single or not isinstance(shape[0], int)),
        f"input_shape is {list(contract.input_shape)} for a segment, {binding.layout}; the graph has {shape}",
    )
    embeds = contract.kind is Kind.EMBEDDING
    width = contract.dimensions if embeds else len(contract.labels)
    required = {binding.output: [width]}
    if contract.members > 1:
        required[OUTPUTS[contract.kind][1]] = [contract.members, width]
    if contract.dimensions is not None and not embeds:
        required[binding.embedding or EMBEDDING] = [contract.dimensions]
    for name in [*required, *filter(None, [binding.embedding])]:
        yield name in outputs, f"the graph has no output {name}"
    for name, sizes in required.items():
        shape = outputs[name]
        # An output from elsewhere may have more axes, or no known shape.
        axes = shape[1:] if contract.graph is None else shape[-len(sizes) :] or sizes
        fits = len(axes) == len(sizes) and all(
            not isinstance(a, int) or a == b for a, b in zip(axes, sizes, strict=False)
        )
        yield fits, f"output {name} must have {sizes} for a segment, not {shape}"


def activate(numbers: NDArray[np.float32], activation: Activation) -> NDArray[np.float32]:
    """Probabilities of a network's outputs, shape (segments, labels); `none` returns them as they are."""
    if activation is Activation.NONE:
        return numbers
    if activation is Activation.SOFTMAX:
        powers = np.exp(numbers - numbers.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    # The logistic function by the hyperbolic tangent: no overflow for numbers of any size.
    return np.asarray(0.5 * (1 + np.tanh(0.5 * numbers)))


def _proposal(path: Path, session: Any) -> str:
    """One sentence: `path` has no contract, the command that adds one, and which part of it is a guess.

    Words in capitals stand for what the graph does not determine.
    """
    shape: list[int | str | None] = max((each.shape for each in session.get_inputs()), key=len, default=[])
    features, guess = _features_for(shape)
    outputs = {each.name: each.shape[-1] for each in session.get_outputs() if each.shape}
    counts = {name: f"{n} lines" for name, n in outputs.items() if isinstance(n, int)}
    choice = ["--output-name", "OUTPUT"] if len(outputs) > 1 else []
    command = ["audiocnn", "models", "add", str(path), "--labels", "LABELS.txt", "--sr", "RATE"]
    labels = " or ".join(f"{counts.get(name, 'lines')} for {name}" for name in outputs)
    return (
        f"{path}: has no contract, so its labels and features are unknown; add one:"
        f" `{shlex.join([*command, *features, *choice])}` (LABELS.txt: one label a line, {labels}; RATE: its"
        f" sample rate in Hz; {guess} the input {runtime.sizes(shape)})"
    )


def _features_for(shape: Sequence[int | str | None]) -> tuple[list[str], str]:
    """The options of the features that fit an input, and what they are based on."""
    # The first axis is that of the segments, unless there are two and it has a fixed size.
    unbatched = len(shape) < 2 or (len(shape) == 2 and shape[0] != 1 and isinstance(shape[0], int))
    axes = [size for size in (shape if unbatched else shape[1:]) if size != 1]
    if len(axes) == 1:
        return ["--feature", "waveform"], "a waveform is guessed from"
    fixed = [size for size in axes if isinstance(size, int)]
    if len(axes) != 2 or not fixed:
        layout = ["--layout", "LAYOUT"] if len(axes) == 2 else []
        return ["--feature", "FEATURE", *layout], "neither the feature nor its bins are fixed by"
    usual = [size for size in fixed if size in _USUAL_BINS]
    bins = usual[0] if len(usual) == 1 else min(fixed)
    time = axes[1 - axes.index(bins)]
    mels = ["logmel", "--n-mels"] if bins >= _FEWEST_MELS else ["mfcc", "--n-mfcc"]
    layout = ["--layout", "LAYOUT"] if axes[0] == axes[1] else []
    frames = f"{time} frames" if isinstance(time, int) else "any number of frames"
    return ["--feature", *mels, str(bins), *layout], f"{bins} bins and {frames} are guessed from"
