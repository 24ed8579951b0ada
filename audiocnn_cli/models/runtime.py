"""ONNX Runtime, spoken to in one place: sessions, execution providers, runs that end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.models.watchdog import Watchdog

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CPU = "cpu"
# A graph may hold a loop that never ends; no batch of segments takes a minute otherwise.
LONGEST_RUN_S = 60.0
_ENDING = "ExecutionProvider"
_SILENT = 4
_WATCHDOG = Watchdog()


@dataclass(frozen=True, slots=True)
class Provider:
    """An execution provider of ONNX Runtime: its short name, its own, and whether it is here."""

    name: str
    onnxruntime_name: str
    available: bool


def providers() -> tuple[Provider, ...]:
    """All that ONNX Runtime knows, those that this installation has first."""
    import onnxruntime

    here = onnxruntime.get_available_providers()
    known = [*here, *(name for name in onnxruntime.get_all_providers() if name not in here)]
    return tuple(Provider(name.removesuffix(_ENDING).lower(), name, name in here) for name in known)


def find_provider(name: str) -> Provider:
    """The provider of that short name, which must be here.

    Raises:
        UsageError: there is none of that name, or it is not part of this ONNX Runtime.
    """
    known = {provider.name: provider for provider in providers()}
    here = ", ".join(provider.name for provider in known.values() if provider.available)
    found = known.get(name.lower())
    if found is None:
        raise UsageError(
            f"--provider {name}: ONNX Runtime knows no such execution provider; here are {here}"
        )
    if not found.available:
        raise UsageError(
            f"--provider {name}: this ONNX Runtime was built without it; here are {here}, and `audiocnn"
            " models providers` lists all"
        )
    return found


def open_session(path: Path, *, provider: str = CPU) -> Any:
    """ONNX Runtime's session of any ONNX file, one thread, on the provider of that short name.

    Raises:
        ModelRefusedError: the file can't be read or is not a valid ONNX model.
        UsageError: the provider is not here, or does not start.
    """
    import onnxruntime

    if not path.is_file():
        raise ModelRefusedError(f"{path}: no such model file")
    options = onnxruntime.SessionOptions()
    # Files are the unit of parallel work; two threads in one small graph only wait for each other.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    wanted = "CPUExecutionProvider" if provider == CPU else find_provider(provider).onnxruntime_name
    try:
        session = onnxruntime.InferenceSession(path, options, providers=[wanted])
    except Exception as error:  # ONNX Runtime's exceptions share no root of their own
        raise ModelRefusedError(
            f"{path}: not an ONNX model that ONNX Runtime reads ({first_line(error)})"
        ) from error
    if session.get_providers()[0] != wanted:
        raise UsageError(
            f"--provider {provider}: does not start on this machine; leave it out to use the processor"
        )
    return session


def run(
    session: Any, output: str, feeds: Mapping[str, "NDArray[Any]"], *, where: str
) -> "NDArray[np.float32]":
    """One output of `session`, float32.

    Raises:
        ModelRefusedError: the graph fails, takes longer than `LONGEST_RUN_S`, or gives no tensor of numbers.
    """
    import numpy as np
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = _SILENT
    try:
        with _WATCHDOG.watch(LONGEST_RUN_S, lambda: setattr(options, "terminate", True)):
            (found,) = session.run([output], dict(feeds), options)
        return np.asarray(found, dtype=np.float32)
    except Exception as error:  # ONNX Runtime's exceptions share no root of their own
        reason = (
            f"takes longer than {LONGEST_RUN_S:g} s"
            if options.terminate
            else f"fails: {first_line(error)}"
        )
        raise ModelRefusedError(f"{where}: running it {reason}") from error


def first_line(error: Exception) -> str:
    """The first of many lines that a library says, cut short."""
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def sizes(shape: Sequence[int | str | None]) -> str:
    """A shape in words: `N x 1 x 96 x 64`, with a name or `?` for what is free."""
    return " x ".join("?" if size is None else str(size) for size in shape)
