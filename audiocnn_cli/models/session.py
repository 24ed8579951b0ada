"""An opened model: its contract, and the ONNX Runtime session that runs it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models import runtime
from audiocnn_cli.models.contract import (
    MEMBER_PROBABILITIES,
    METADATA_KEY,
    GraphBinding,
    ModelContract,
    decode,
)
from audiocnn_cli.models.proposal import proposal
from audiocnn_cli.models.registry import is_installed
from audiocnn_cli.models.signature import Activation, Layout

# Rounding may put a probability this far outside 0 to 1.
_ROUNDING = 1e-3


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
        fed = {binding.input: binding.layout.arrange(tensors)}
        if binding.lengths is not None:
            shapes = {each.name: each.shape for each in self.session.get_inputs()}
            fed[binding.lengths] = np.full([segments][: len(shapes[binding.lengths])], frames)
        return {name: array.astype(self.types[name], copy=False) for name, array in fed.items()}

    def probabilities(
        self, tensors: NDArray[np.float32], *, member: int | None = None
    ) -> NDArray[np.float32]:
        """Feature tensors of shape (segments, frames, bins) to probabilities (segments, labels).

        With `member` they are those of one of the networks whose mean the model is.

        Raises:
            ModelRefusedError: the graph fails on them, or its output holds no probabilities.
        """
        if self.contract.members == 1:
            member = None
        step = 1 if self.binding.single else len(tensors)
        rows = [self._rows(tensors[i : i + step], member) for i in range(0, len(tensors), step)]
        result = activate(np.concatenate(rows), self.binding.activation)
        if not ((result >= -_ROUNDING) & (result <= 1 + _ROUNDING)).all():
            raise ModelRefusedError(
                f"{self.path}: its output {self.binding.output} holds values outside 0 to 1, no"
                " probabilities; for a model from elsewhere `activation=softmax` or `activation=sigmoid` of"
                " `audiocnn models add` computes them"
            )
        return result

    def _rows(self, tensors: NDArray[np.float32], member: int | None) -> NDArray[np.float32]:
        """The output for some segments, shape (segments, labels); the mean if each has several rows."""
        segments, labels = len(tensors), len(self.contract.labels)
        output = self.binding.output if member is None else MEMBER_PROBABILITIES
        found = runtime.run(self.session, output, self.feeds(tensors), where=str(self.path))
        if found.shape == (segments, labels):
            return found
        if found.shape[-1:] != (labels,) or found.size % (segments * labels):
            raise ModelRefusedError(
                f"{self.path}: its output {output} is {runtime.sizes(found.shape)} for {segments} segments,"
                f" which is not one number for each of {labels} labels"
            )
        rows = found.reshape(segments, -1, labels)
        each: NDArray[np.float32] = rows.mean(axis=1) if member is None else rows[:, member]
        return each


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
        raise ModelRefusedError(proposal(path, session))
    return bound(path, decode(document, where=str(path)), session)


def contract_document(session: Any) -> str | None:
    """The contract in the metadata of a session's model, not decoded; None without one."""
    found: str | None = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    return found


def bound(path: Path, contract: ModelContract, session: Any) -> Model:
    """The model of a contract and a session.

    Raises:
        ModelRefusedError: the graph does not have the inputs or outputs that the contract states.
    """
    inputs = {each.name: each for each in session.get_inputs()}
    first = next(iter(inputs), "")
    binding = contract.graph or GraphBinding(
        layout=Layout.NTF1 if len(contract.input_shape) == 3 else Layout.NTF, input=first
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
    labels = len(contract.labels)
    required = {binding.output: [labels]}
    if contract.members > 1:
        required[MEMBER_PROBABILITIES] = [contract.members, labels]
    for name in [*required, *filter(None, [binding.embedding])]:
        yield name in outputs, f"the graph has no output {name}"
    for name, sizes in required.items():
        shape = outputs[name]
        # An output from elsewhere may have more axes, or no known shape.
        axes = shape[1:] if contract.graph is None else shape[-1:] or sizes
        fits = len(axes) == len(sizes) and all(
            not isinstance(a, int) or a == b for a, b in zip(axes, sizes, strict=False)
        )
        yield fits, f"{labels} labels require {sizes} for a segment, output {name} has {shape}"


def activate(numbers: NDArray[np.float32], activation: Activation) -> NDArray[np.float32]:
    """Probabilities of a network's outputs, shape (segments, labels)."""
    if activation is Activation.NONE:
        return numbers
    if activation is Activation.SOFTMAX:
        powers = np.exp(numbers - numbers.max(axis=-1, keepdims=True))
        shares: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
        return shares
    # The logistic function by the hyperbolic tangent: no overflow for numbers of any size.
    chances: NDArray[np.float32] = 0.5 * (1 + np.tanh(0.5 * numbers))
    return chances
