"""PyTorch modules and exported programs: exported to ONNX, and read as any ONNX file.

Importing a user's file runs it, and so does exporting a module. The file of an exported program (.pt2)
holds no module, but it is loaded by PyTorch, which is to be done with files of known origin only.
"""

import contextlib
import importlib.util
import io
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from audiocnn_cli.errors import UsageError
from audiocnn_cli.extras import require_extra
from audiocnn_cli.shapes.choices import Like
from audiocnn_cli.shapes.clip import Clip
from audiocnn_cli.shapes.onnxfile.given import GivenSizes, read_given
from audiocnn_cli.shapes.onnxfile.load import checked
from audiocnn_cli.shapes.onnxfile.report import report_of
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.sizes import Sizes, shorten, type_sizes

PROGRAM_SUFFIX = ".pt2"


def report_of_module(text: str, *, input_shape: Sequence[str], like: Like, clip: Clip | None) -> Report:
    """The report of the module `text`, FILE.py:NAME, or of an exported program, FILE.pt2.

    NAME is a module, a class of modules that takes no arguments, or a function that returns a module. Each
    text of `input_shape` is the shape of an argument as PyTorch has it, with or without the batch; channels
    last is tried where neither runs. A program has its own input shapes.

    Raises:
        UsageError: the file or the name does not exist, or the module does not run on that input.
        MissingExtraError: PyTorch is not installed.
    """
    require_extra("train", "reading a PyTorch module")
    given = read_given(input_shape)
    if text.endswith(PROGRAM_SUFFIX):
        if given:
            raise UsageError("`input_shape`: an exported program has its own input shapes")
        content = _export(_load_program(Path(text)), None)
    else:
        if given.by_name or not given.shapes:
            raise UsageError(
                "a PyTorch module needs its input shape, as in `input_shape=1x40x200`, once an argument"
            )
        content = _export_module(_find(text), given.shapes, text)
    return report_of(checked(content), text, GivenSizes(), like=like, clip=clip)


def _find(text: str) -> Any:
    """The module that FILE.py:NAME names, in evaluation mode."""
    import torch

    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"{file}: no such file")
    found = getattr(_import(path), name, None)
    if found is None:
        raise UsageError(f"{file}: it has no {name!r}")
    if not isinstance(found, torch.nn.Module) and callable(found):
        try:
            found = found()
        except Exception as error:  # any error of the user's code
            raise UsageError(f"{text}: it can't be called without arguments ({_reason(error)})") from error
    if not isinstance(found, torch.nn.Module):
        raise UsageError(f"{text}: it is no torch.nn.Module, nor a class or a function that gives one")
    return found.eval()


def _import(path: Path) -> ModuleType:
    """Run the Python file at `path`; its own folder is searched for its imports."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: it can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name], before = module, sys.modules.get(spec.name)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # any error of the user's code
        raise UsageError(f"{path}: it can't be imported ({_reason(error)})") from error
    finally:
        sys.path.remove(str(path.parent))
        if before is not None:
            sys.modules[spec.name] = before
    return module


def _export_module(module: Any, shapes: Sequence[Sizes], text: str) -> bytes:
    """The module as ONNX, for the first of the candidate inputs that it runs on."""
    import torch

    reasons = []
    for candidate in _candidates(shapes):
        for dtype in (torch.float32, torch.int64):
            arguments = tuple(torch.zeros(shape, dtype=dtype) for shape in candidate)
            try:
                with torch.no_grad():
                    module(*arguments)
            except Exception as error:  # any error of the user's code
                reasons.append(_reason(error))
                continue
            return _export(module, arguments)
    sizes = " and ".join(map(type_sizes, shapes))
    raise UsageError(f"{text}: it does not run on {sizes} ({reasons[0]})")


def _candidates(shapes: Sequence[Sizes]) -> Iterator[list[Sizes]]:
    """The shapes with a batch of 1 before them, as they are, and with the channels moved to the front."""
    yield [(1, *shape) for shape in shapes]
    yield list(shapes)
    yield [(1, shape[-1], *shape[:-1]) for shape in shapes]


def _load_program(path: Path) -> Any:
    import torch

    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        return torch.export.load(path)
    except Exception as error:  # of any kind, for files that are none
        raise UsageError(f"{path}: it is no exported program ({_reason(error)})") from error


def _export(module: Any, arguments: tuple[Any, ...] | None) -> bytes:
    """The ONNX model of a module or program, its layers not merged."""
    import torch

    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(module, arguments or (), dynamo=True, optimize=False, verbose=False)
    except Exception as error:  # the exporter's exceptions share no root
        raise UsageError(f"it can't be exported to ONNX ({_reason(error)})") from error
    finally:
        logging.disable(before)
    if program is None:
        raise UsageError("it can't be exported to ONNX")
    content: bytes = program.model_proto.SerializeToString()
    return content


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shorten(f"{type(error).__name__}: {lines[0] if lines else ''}", limit=160)
