"""A model file, opened: its contract, and ONNX Runtime to run it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models import contract as contracts
from audiocnn_cli.models.contract import ModelContract

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROBABILITIES = "probabilities"
MEMBER_PROBABILITIES = "member_probabilities"
_ONLY_FATAL = 4
_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class Model:
    """An opened model; safe to use from several threads."""

    path: Path
    contract: ModelContract
    session: Any  # onnxruntime.InferenceSession, which ships no types

    def probabilities(
        self, tensors: "NDArray[np.float32]", *, member: int | None = None
    ) -> "NDArray[np.float32]":
        """Feature tensors of shape (segments, frames, bins) to probabilities (segments, labels).

        With `member` they are those of one of the networks whose mean the model is.

        Raises:
            ModelRefusedError: the graph fails on them, or what it gives are no probabilities.
        """
        if member is None or self.contract.members == 1:
            return self._run(PROBABILITIES, tensors)
        return self._run(MEMBER_PROBABILITIES, tensors)[:, member]

    def _run(self, output: str, tensors: "NDArray[np.float32]") -> "NDArray[np.float32]":
        import numpy as np

        shaped = tensors.reshape(len(tensors), *self.contract.input_shape)
        name = self.session.get_inputs()[0].name
        try:
            (found,) = self.session.run([output], {name: shaped})
        except Exception as error:  # ONNX Runtime's exceptions share no root of their own
            raise ModelRefusedError(
                f"{self.path}: running it fails: {_first_line(error)}"
            ) from error
        result = np.asarray(found)
        expected = (len(tensors), *_output_shapes(self.contract)[output])
        if result.shape != expected:
            raise ModelRefusedError(
                f"{self.path}: gives {list(result.shape)} as {output}, not {list(expected)}"
            )
        if not ((result >= -_SLACK) & (result <= 1 + _SLACK)).all():
            raise ModelRefusedError(f"{self.path}: gives values that are no probabilities")
        return result


def open_model(path: Path) -> Model:
    """Open the model file at `path` and check that it holds what its contract says.

    Raises:
        ModelRefusedError: it is missing, not ONNX, without the contract, or the contract does not hold.
    """
    session = open_session(path)
    document = session.get_modelmeta().custom_metadata_map.get(contracts.METADATA_KEY)
    if document is None:
        raise ModelRefusedError(
            f"{path}: has no '{contracts.METADATA_KEY}' document in its metadata, so its features and"
            " labels are unknown; models from `audiocnn train` have one"
        )
    contract = contracts.decode(document, where=str(path))
    _check_graph(session, contract, where=str(path))
    return Model(path=path, contract=contract, session=session)


def open_session(path: Path) -> Any:
    """ONNX Runtime's session of any ONNX file, one thread, on the CPU.

    Raises:
        ModelRefusedError: the file can't be read or is not a valid ONNX model.
    """
    import onnxruntime

    if not path.is_file():
        raise ModelRefusedError(f"{path}: no such model file")
    options = onnxruntime.SessionOptions()
    # Files are the unit of parallel work; two threads in one small graph only wait for each other.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONLY_FATAL
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no root of their own
        raise ModelRefusedError(
            f"{path}: not an ONNX model that ONNX Runtime reads ({_first_line(error)})"
        ) from error


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


def _fits(graph: list[int | str | None], promised: list[int]) -> bool:
    """Whether a graph's shape is the promised one behind a free batch axis; unnamed axes are free."""
    if len(graph) != len(promised) + 1 or isinstance(graph[0], int):
        return False
    sizes = zip(graph[1:], promised, strict=True)
    return all(size == want or not isinstance(size, int) for size, want in sizes)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
