"""A model file, opened: what it says of itself, and ONNX Runtime to run it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models import contract as contracts
from audiocnn_cli.models import runtime
from audiocnn_cli.models.contract import ModelContract
from audiocnn_cli.models.guard import require_harmless
from audiocnn_cli.models.layout import Layout
from audiocnn_cli.models.registry import is_shelved
from audiocnn_cli.models.signature import Activation, Signature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROBABILITIES = "probabilities"
MEMBER_PROBABILITIES = "member_probabilities"
_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class Graph:
    """How the graph of a foreign model is fed and read: where each axis goes, and which output is asked.

    `one_by_one` is for graphs that take a single segment at a time. `activation` is applied to the output.
    """

    layout: Layout
    output: str
    one_by_one: bool
    activation: Activation


@dataclass(frozen=True, slots=True)
class Model:
    """An opened model; safe to use from several threads.

    Its `signature` is its whole contract, where it has one. `graph` is for models without.
    """

    path: Path
    signature: Signature
    session: Any  # onnxruntime.InferenceSession, which ships no types
    graph: Graph | None = None

    @property
    def contract(self) -> ModelContract:
        """The whole contract.

        Raises:
            ModelRefusedError: the model has none.
        """
        if isinstance(self.signature, ModelContract):
            return self.signature
        raise ModelRefusedError(f"{self.path}: has no contract: it only classifies, with --labels")

    def probabilities(
        self, tensors: "NDArray[np.float32]", *, member: int | None = None
    ) -> "NDArray[np.float32]":
        """Feature tensors of shape (segments, frames, bins) to probabilities (segments, labels).

        With `member` they are those of one of the networks whose mean the model is.

        Raises:
            ModelRefusedError: the graph fails on them, or what it gives are no probabilities.
        """
        if self.graph is not None:
            return self._checked(_ask_foreign(self, self.graph, tensors))
        shaped = tensors.reshape(len(tensors), *self.contract.input_shape)
        if member is None or self.contract.members == 1:
            return self._run(PROBABILITIES, shaped)
        return self._run(MEMBER_PROBABILITIES, shaped)[:, member]

    def _run(self, output: str, shaped: "NDArray[np.float32]") -> "NDArray[np.float32]":
        feeds = {self.session.get_inputs()[0].name: shaped}
        result = runtime.run(self.session, output, feeds, where=str(self.path))
        expected = (len(shaped), *_output_shapes(self.contract)[output])
        if result.shape != expected:
            raise ModelRefusedError(
                f"{self.path}: gives {list(result.shape)} as {output}, not {list(expected)}"
            )
        return self._checked(result)

    def _checked(self, result: "NDArray[np.float32]") -> "NDArray[np.float32]":
        if not ((result >= -_SLACK) & (result <= 1 + _SLACK)).all():
            hint = (
                ""
                if self.graph is None
                else "; say what makes them: --activation softmax or sigmoid"
            )
            raise ModelRefusedError(f"{self.path}: gives values that are no probabilities{hint}")
        return result


def open_model(path: Path, *, provider: str = runtime.CPU) -> Model:
    """Open the model file at `path` and check that it holds what its contract says.

    Raises:
        ModelRefusedError: it is missing, not ONNX, without the contract, or the contract does not hold.
        UsageError: the execution provider is not here.
    """
    if not is_shelved(path):
        require_harmless(path)
    session = runtime.open_session(path, provider=provider)
    document = contract_document(session)
    if document is None:
        raise ModelRefusedError(
            f"{path}: has no '{contracts.METADATA_KEY}' document in its metadata, so its features and"
            " labels are unknown; models from `audiocnn train` have one, and for others `audiocnn classify`"
            " takes --labels and feature options"
        )
    contract = contracts.decode(document, where=str(path))
    _check_graph(session, contract, where=str(path))
    return Model(path=path, signature=contract, session=session)


def contract_document(session: Any) -> str | None:
    """The contract in a session's metadata, as it stands there."""
    found: str | None = session.get_modelmeta().custom_metadata_map.get(contracts.METADATA_KEY)
    return found


def _ask_foreign(
    model: Model, graph: Graph, tensors: "NDArray[np.float32]"
) -> "NDArray[np.float32]":
    import numpy as np

    name = model.session.get_inputs()[0].name
    step = 1 if graph.one_by_one else len(tensors)
    answers = []
    for start in range(0, len(tensors), step):
        fed = graph.layout.arrange(tensors[start : start + step])
        found = runtime.run(model.session, graph.output, {name: fed}, where=str(model.path))
        answers.append(_one_row_a_segment(found, step, model))
    return activate(np.concatenate(answers), graph.activation)


def _one_row_a_segment(
    found: "NDArray[np.float32]", segments: int, model: Model
) -> "NDArray[np.float32]":
    """(segments, labels) of what a graph gave, its answers for parts of a segment averaged."""
    import numpy as np

    labels = len(model.signature.labels)
    if found.shape[-1:] != (labels,) or found.size % (segments * labels):
        raise ModelRefusedError(
            f"{model.path}: gives {runtime.sizes(found.shape)} for {segments} segments, which is not one"
            f" number for each of {labels} labels"
        )
    each: NDArray[np.float32] = found.reshape(segments, -1, labels).mean(axis=1, dtype=np.float32)
    return each


def activate(numbers: "NDArray[np.float32]", activation: Activation) -> "NDArray[np.float32]":
    """Probabilities of a network's numbers, shape (segments, labels)."""
    import numpy as np

    if activation is Activation.NONE:
        return numbers
    if activation is Activation.SOFTMAX:
        powers = np.exp(numbers - numbers.max(axis=-1, keepdims=True))
        shares: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
        return shares
    # By the hyperbolic tangent: no overflow for numbers of any size.
    chances: NDArray[np.float32] = 0.5 * (1 + np.tanh(0.5 * numbers))
    return chances


def _output_shapes(contract: ModelContract) -> dict[str, list[int]]:
    """The outputs that the graph must have, each with its shape for one segment."""
    labels = len(contract.labels)
    shapes = {PROBABILITIES: [labels]}
    if contract.members > 1:
        shapes[MEMBER_PROBABILITIES] = [contract.members, labels]
    return shapes


def _check_graph(session: Any, contract: ModelContract, *, where: str) -> None:
    inputs = session.get_inputs()
    outputs = {output.name: output for output in session.get_outputs()}
    wanted = _output_shapes(contract)
    if len(inputs) != 1 or set(outputs) != set(wanted):
        raise ModelRefusedError(
            f"{where}: has {len(inputs)} inputs and the outputs {', '.join(outputs)}; the contract wants one"
            f" input and {', '.join(wanted)}"
        )
    pairs = [("input_shape", inputs[0].shape, list(contract.input_shape))]
    pairs += [(f"labels ({name})", outputs[name].shape, shape) for name, shape in wanted.items()]
    for field, graph, promised in pairs:
        if not _fits(graph, promised):
            raise ModelRefusedError(
                f"{where}: the contract does not hold: {field} says {promised} for a segment, the graph"
                f" has {graph}"
            )
    if inputs[0].type != "tensor(float)":
        raise ModelRefusedError(f"{where}: its input is {inputs[0].type}, not tensor(float)")


def _fits(graph: Sequence[int | str | None], promised: Sequence[int]) -> bool:
    """Whether a graph's shape is the promised one behind a free batch axis; unnamed axes are free."""
    if len(graph) != len(promised) + 1 or isinstance(graph[0], int):
        return False
    sizes = zip(graph[1:], promised, strict=True)
    return all(size == want or not isinstance(size, int) for size, want in sizes)
