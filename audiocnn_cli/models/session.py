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

_ONLY_FATAL = 4


@dataclass(frozen=True, slots=True)
class Model:
    """An opened model; safe to use from several threads."""

    path: Path
    contract: ModelContract
    session: Any  # onnxruntime.InferenceSession, which ships no types

    def probabilities(self, tensors: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Feature tensors of shape (segments, frames, bins) to probabilities (segments, labels).

        Raises:
            ModelRefusedError: the graph fails on them, or what it gives are no probabilities.
        """
        import numpy as np

        shaped = tensors.reshape(len(tensors), *self.contract.input_shape)
        name = self.session.get_inputs()[0].name
        try:
            (output,) = self.session.run(None, {name: shaped})
        except Exception as error:  # ONNX Runtime's exceptions share no root of their own
            raise ModelRefusedError(
                f"{self.path}: running it fails: {_first_line(error)}"
            ) from error
        result = np.asarray(output)
        if result.shape != (len(tensors), len(self.contract.labels)):
            raise ModelRefusedError(
                f"{self.path}: gives {list(result.shape)} for {len(tensors)} segments and"
                f" {len(self.contract.labels)} labels"
            )
        if not ((result >= -1e-3) & (result <= 1 + 1e-3)).all():
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


def _check_graph(session: Any, contract: ModelContract, *, where: str) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelRefusedError(
            f"{where}: has {len(inputs)} inputs and {len(outputs)} outputs; the contract wants one each"
        )
    wanted = {
        "input_shape": (inputs[0].shape, list(contract.input_shape)),
        "labels": (outputs[0].shape, [len(contract.labels)]),
    }
    for field, (graph, promised) in wanted.items():
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
