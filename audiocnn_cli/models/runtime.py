"""ONNX Runtime behind one interface: sessions, execution providers, runs with a time limit."""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.models.memory import RUNNING_BYTES, limited_memory, loading_bytes, ran_out

if TYPE_CHECKING:
    from onnx import ModelProto

CPU = "cpu"
# A graph may hold a loop that never ends; no batch of segments takes a minute otherwise.
LONGEST_RUN_S = 60.0
# The types of inputs, as ONNX Runtime and as NumPy name them.
FLOATS = {"tensor(float)": "float32", "tensor(float16)": "float16"}
INTEGERS = {"tensor(int64)": "int64", "tensor(int32)": "int32"}
# 2 GiB of float32: no tensor of an audio network comes near it, a mistake or an attack does.
_LARGEST_TENSOR = 1 << 29
_SUFFIX = "ExecutionProvider"
_CPU_PROVIDER = "CPUExecutionProvider"
_ONLY_FATAL = 4


@dataclass(frozen=True, slots=True)
class Provider:
    """An execution provider: its short name, ONNX Runtime's name, and whether it is installed."""

    name: str
    onnxruntime_name: str
    available: bool


def providers() -> tuple[Provider, ...]:
    """All execution providers of ONNX Runtime, the installed ones first."""
    import onnxruntime

    installed = onnxruntime.get_available_providers()
    others = (name for name in onnxruntime.get_all_providers() if name not in installed)
    return tuple(
        Provider(name.removesuffix(_SUFFIX).lower(), name, name in installed)
        for name in (*installed, *others)
    )


def find_provider(name: str) -> Provider:
    """The installed provider of that short name.

    Raises:
        UsageError: there is none of that name, or it is not part of this ONNX Runtime.
    """
    known = providers()
    found = next((provider for provider in known if provider.name == name.lower()), None)
    if found is None or not found.available:
        reason = "this ONNX Runtime was built without it" if found else "there is no such provider"
        installed = ", ".join(provider.name for provider in known if provider.available)
        raise UsageError(
            f"`provider={name}`: {reason}; installed: {installed}; `audiocnn models providers` lists all"
        )
    return found


def require_harmless(path: Path) -> "ModelProto":
    """The graph at `path` without its weights, with inferred shapes, checked before ONNX Runtime runs it.

    Raises:
        ModelRefusedError: it is missing, is not an ONNX model, reads files outside its folder, or has
            tensors of more than 2 GiB, also such as exist only during a run.
    """
    from audiocnn_cli.shapes.onnxfile.load import infer, load_graph

    if not path.is_file():
        raise ModelRefusedError(f"{path}: no such model file")
    try:
        model, _ = infer(load_graph(path))
    except ModelRefusedError as error:
        raise ModelRefusedError(f"{path}: {error}") from error
    for value in (*model.graph.value_info, *model.graph.output, *model.graph.input):
        count = prod(dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim)
        if count > _LARGEST_TENSOR:
            raise ModelRefusedError(
                f"{path}: its tensor {value.name!r} has {count:,} numbers, more than the limit of"
                f" {_LARGEST_TENSOR:,}"
            )
    return model


def open_session(path: Path, *, provider: str = CPU) -> Any:
    """The ONNX Runtime session of any ONNX file, with one thread, on the provider of that short name.

    Raises:
        ModelRefusedError: the file can't be read or is not a valid ONNX model.
        UsageError: the provider is not installed, or does not start.
    """
    import onnxruntime

    if not path.is_file():
        raise ModelRefusedError(f"{path}: no such model file")
    name = _CPU_PROVIDER if provider == CPU else find_provider(provider).onnxruntime_name
    try:
        # The drivers of graphics cards map more memory than there is.
        with limited_memory(loading_bytes(path)) if provider == CPU else nullcontext():
            session = onnxruntime.InferenceSession(path, session_options(), providers=[name])
    except Exception as error:  # ONNX Runtime's exceptions share no root of their own
        if ran_out(error):
            most = f"{loading_bytes(path) / 2**30:.1f} GiB of memory"
            raise ModelRefusedError(f"{path}: its constants take more than {most}") from error
        raise ModelRefusedError(
            f"{path}: not an ONNX model that ONNX Runtime reads ({first_line(error)})"
        ) from error
    if session.get_providers()[0] != name:
        raise UsageError(
            f"`provider={provider}`: does not start on this machine; leave it out to use the processor"
        )
    return session


def session_options() -> Any:
    """Options of a session with one thread, which prints fatal errors only."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Files are processed in parallel; two threads in one small graph would only wait for each other.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ONLY_FATAL
    return options


def run(session: Any, output: str, feeds: Mapping[str, NDArray[Any]], *, where: str) -> NDArray[np.float32]:
    """One output of `session`, float32.

    Raises:
        ModelRefusedError: the graph fails, takes longer than `LONGEST_RUN_S`, or gives no tensor of numbers.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = _ONLY_FATAL
    key = _limit(options)
    try:
        on_cpu = session.get_providers()[0] == _CPU_PROVIDER
        with limited_memory(RUNNING_BYTES) if on_cpu else nullcontext():
            (found,) = session.run([output], dict(feeds), options)
        return np.asarray(found, dtype=np.float32)
    except Exception as error:  # ONNX Runtime's exceptions share no root of their own
        late = f"takes longer than {LONGEST_RUN_S:g} s"
        reason = late if options.terminate else f"fails: {first_line(error)}"
        if ran_out(error):
            reason = f"takes more than {RUNNING_BYTES >> 30} GiB of memory"
        raise ModelRefusedError(f"{where}: running it {reason}") from error
    finally:
        _running.pop(key, None)


# Runs in progress: their options and the time at which they are terminated. One thread checks all of them,
# since a timer for each run takes longer than a run of a small network (0.4 ms of 0.3 ms).
_running: dict[object, tuple[float, Any]] = {}
_checker = threading.Thread()
_CHECK_EVERY_S = 1.0


def _limit(options: Any) -> object:
    """Terminate the run of `options` after `LONGEST_RUN_S`, unless the returned key is removed before."""
    global _checker  # noqa: PLW0603 (a forked process starts with the object of a thread that it lacks)
    key = object()
    _running[key] = (time.monotonic() + LONGEST_RUN_S, options)
    if not _checker.is_alive():
        _checker = threading.Thread(target=_terminate_late_runs, daemon=True)
        _checker.start()
    return key


def _terminate_late_runs() -> None:
    while True:
        time.sleep(min(_CHECK_EVERY_S, LONGEST_RUN_S))
        for deadline, options in list(_running.values()):
            if time.monotonic() > deadline:
                options.terminate = True


def first_line(error: Exception) -> str:
    """The first line of a library's message, at most 200 characters."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]


def sizes(shape: Sequence[int | str | None]) -> str:
    """A shape in words: `N x 1 x 96 x 64`, with a name or `?` for free sizes."""
    return " x ".join("?" if size is None else str(size) for size in shape)
