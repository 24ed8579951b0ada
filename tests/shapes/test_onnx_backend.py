"""Every model of `onnx.backend.test`: read, with the shapes of the results that are shipped with it.

A size that is known is that of the shipped result; a model that is refused is refused by the checker or by
ONNX Runtime too.
"""

import io
import json
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.backend.test.loader import load_model_tests

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.output.views.shape_table import write_table
from audiocnn_cli.output.views.shapes import document
from audiocnn_cli.shapes.onnxfile.free import Free
from audiocnn_cli.shapes.onnxfile.given import GivenSizes
from audiocnn_cli.shapes.onnxfile.infer import infer, stated
from audiocnn_cli.shapes.onnxfile.load import checked
from audiocnn_cli.shapes.onnxfile.network import network_of
from audiocnn_cli.shapes.onnxfile.report import report_of

Shape = tuple[int, ...]
pytestmark = pytest.mark.slow
KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted")
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def models() -> Iterator[tuple[str, bytes, list[Shape | None]]]:
    """Name, content and the shapes of the shipped results."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = [case for kind in KINDS for case in load_model_tests(kind=kind)]
    for case in cases:
        if case.model_dir is None:
            results = case.data_sets[0][1] if case.data_sets else []
            yield case.name, case.model.SerializeToString(), [_shape(each) for each in results]
        else:
            folder = Path(case.model_dir)
            files = sorted((folder / "test_data_set_0").glob("output_*.pb"), key=lambda p: int(p.stem[7:]))
            yield case.name, (folder / "model.onnx").read_bytes(), [_stored(path) for path in files]
    for path in sorted(LIGHT.glob("*.onnx")):
        yield path.stem, path.read_bytes(), [_stored(path.with_name(f"{path.stem}_output_0.pb"))]


def _shape(result: Any) -> Shape | None:
    if isinstance(result, np.ndarray):
        return tuple(result.shape)
    return tuple(result.dims) if isinstance(result, onnx.TensorProto) else None


def _stored(path: Path) -> Shape | None:
    """The shape of a stored tensor; None for sequences and optional values."""
    try:
        tensor = onnx.TensorProto.FromString(path.read_bytes())
    except Exception:  # another message of the format
        return None
    return tuple(tensor.dims) if tensor.data_type else None


def refused_by_others(content: bytes) -> bool:
    """Whether the checker or ONNX Runtime refuses a model."""
    try:
        onnx.checker.check_model(onnx.load_model_from_string(content))
        onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception:  # each has its own types
        return True
    return False


def test_all_models_of_the_onnx_package() -> None:
    counts: Counter[str] = Counter()
    for name, content, real in models():
        try:
            file = checked(content)
            network = network_of(file.model)
            inferred = infer(stated(network))
            report = report_of(file, name, GivenSizes())
        except ModelRefusedError as error:
            assert refused_by_others(content), (name, error)
            counts["refused"] += 1
            continue
        counts["read"] += 1
        found, table = document(report), io.StringIO()
        write_table(report, table)
        assert "1000003" not in json.dumps(found, default=str) + table.getvalue(), name
        ends = [end["name"] for end in found["outputs"]]
        assert ends == [value.name for value in onnx.load_model_from_string(content).graph.output], name
        assert found["params"] >= sum(layer["params"] for layer in found["layers"]), name
        for number, end, shape in zip(network.block.outputs, found["outputs"], real, strict=False):
            if shape is None:
                continue
            dims = inferred.values[number].dims
            if dims is None:
                counts["axes unknown"] += 1
                continue
            assert len(dims) == len(shape), name
            for size, stated_size, true in zip(dims, end["shape"], shape, strict=True):
                if isinstance(size, Free):
                    counts["size unknown"] += 1
                    assert not isinstance(stated_size, int) or stated_size == true, name
                else:
                    assert size == stated_size == true, name
                    counts["size known"] += 1
    print(dict(counts))  # noqa: T201 (for `pytest -s`)
    assert counts["read"] > 1900
    assert counts["axes unknown"] == 0
    assert counts["size unknown"] < counts["size known"] / 7  # those that the values of inputs decide
