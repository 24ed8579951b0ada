"""Audio networks exported from PyTorch by both of its exporters, against PyTorch's own figures.

Oracles: ONNX Runtime's shapes of every tensor, PyTorch's flop counter and the state dict.
"""

import io
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from audiocnn_cli.shapes.onnxfile.free import Free
from audiocnn_cli.shapes.onnxfile.infer import infer, stated
from audiocnn_cli.shapes.onnxfile.load import checked
from audiocnn_cli.shapes.onnxfile.network import MISSING, network_of
from audiocnn_cli.shapes.onnxfile.order import evaluated
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.work_out import StackRequest, report_of
from tests.shapes.graphs import every_shape

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")
flop_counter = pytest.importorskip("torch.utils.flop_counter")
networks = pytest.importorskip("tests.shapes.torch_networks")
CASES: dict[str, Any] = networks.CASES
BATCH = 3
EXPORTS = [(name, new, free) for name, new, free in product(CASES, (True, False), (True, False))]


def example(case: Any, *, batch: int) -> Any:
    shape = list(case.shape)
    shape[case.batch] = batch
    tokens = "Embedding" in str(case.network)
    return torch.zeros(shape, dtype=torch.int64) if tokens else torch.randn(shape)


def exported(case: Any, *, new: bool, free: bool, batch: int = 1) -> bytes:
    """The ONNX file of a network, by the exporter of torch.export (`new`) or that of TorchScript."""
    network, x = case.network.eval(), example(case, batch=max(batch, 2) if free else batch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if new:
            shapes = ({axis: torch.export.Dim(name, min=2, max=4000) for axis, name in case.free.items()},)
            options = {"dynamic_shapes": shapes} if free else {}
            found = torch.onnx.export(network, (x,), dynamo=True, verbose=False, optimize=False, **options)
            content: bytes = found.model_proto.SerializeToString()
            return content
        stream = io.BytesIO()
        axes = {"x": case.free} if free else None
        torch.onnx.export(
            network, (x,), stream, dynamo=False, input_names=["x"], dynamic_axes=axes,
            training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        )  # fmt: skip
        return stream.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The path of an export, made once."""
    root = tmp_path_factory.mktemp("exports")
    made: dict[tuple[str, bool, bool], Any] = {}

    def path(name: str, *, new: bool, free: bool) -> Path:
        key = (name, new, free)
        if key not in made:
            made[key] = root / f"{len(made)}.onnx"
            try:
                made[key].write_bytes(exported(CASES[name], new=new, free=free))
            except Exception as error:  # of any kind: the exporter has its limits, which are not ours
                made[key] = error
        if isinstance(made[key], Exception):
            pytest.skip(f"PyTorch does not export it: {str(made[key])[:80]}")
        found: Path = made[key]
        return found

    return path


def read(path: Path, *sizes: str) -> Report:
    return report_of(StackRequest(layers=(str(path),), input_shape=";".join(sizes) or None))


def flops(case: Any) -> int:
    """Multiply-accumulates for one example by PyTorch's counter, which leaves out LSTM cells."""
    with flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        case.network.eval()(example(case, batch=1))
    return int(counter.get_total_flops()) // 2


def recurrent_work(case: Any) -> int:
    total = 0
    for module in case.network.modules():
        if isinstance(module, torch.nn.LSTM):
            weights = sum(p.numel() for name, p in module.named_parameters() if "weight" in name)
            total += weights * case.shape[1 if module.batch_first else 0]
    return total


@pytest.mark.parametrize(("name", "new", "free"), EXPORTS)
def test_every_tensor_has_its_size_in_onnx_runtime(name: str, new: bool, free: bool, files: Any) -> None:
    case, path = CASES[name], files(name, new=new, free=free)
    x = np.asarray(example(case, batch=BATCH if free else 1))
    real = every_shape(onnx.load(path), x)
    network = network_of(checked(path.read_bytes()).model)
    dims = stated(network).values[network.block.inputs[0]].dims or ()
    values = {str(size): n for size, n in zip(dims, x.shape, strict=True) if isinstance(size, Free)}
    compared = 0
    for inferred in (infer(stated(network)), infer(stated(network, {network.block.inputs[0]: x.shape}))):
        for op in network.block.ops:
            for number in op.outputs:
                if number == MISSING or network.names[number] not in real:
                    continue
                found = inferred.values[number].dims
                assert found is not None, op.label
                sizes = tuple(evaluated(size, values) for size in found)
                assert sizes == real[network.names[number]], op.label
                compared += 1
    assert compared > 10


@pytest.mark.parametrize(("name", "new", "free"), EXPORTS)
def test_work_and_parameters_are_pytorchs(name: str, new: bool, free: bool, files: Any) -> None:
    case, path = CASES[name], files(name, new=new, free=free)
    sizes = (
        [f"{label}={case.shape[axis]}" for axis, label in case.free.items() if axis != case.batch]
        if free
        else []
    )
    if free and new:  # its names of free sizes are its own
        found = stated(network_of(checked(path.read_bytes()).model))
        dims = found.values[found.network.block.inputs[0]].dims or ()
        free_axes = [axis for axis in case.free if axis != case.batch and isinstance(dims[axis], Free)]
        sizes = [f"{dims[axis]}={case.shape[axis]}" for axis in free_axes]  # an exporter may fix some
    trace = read(path, *sizes).trace
    assert trace.has_all_macs
    assert trace.macs == flops(case) + recurrent_work(case)
    assert trace.params == sum(p.numel() for p in case.network.parameters())
    buffers = dict(case.network.named_buffers())
    assert trace.non_trainable_params == sum(b.numel() for n, b in buffers.items() if "running" in n)
    if free and sizes:
        unknown = read(path).trace
        assert not unknown.has_all_macs
        assert unknown.macs <= trace.macs
        assert unknown.params == trace.params


@pytest.mark.parametrize("name", CASES)
def test_a_fixed_batch_is_found(name: str, tmp_path: Path) -> None:
    """The work of one example does not depend on the batch that a file was exported with."""
    path = tmp_path / "batch.onnx"
    try:
        path.write_bytes(exported(CASES[name], new=False, free=False, batch=BATCH))
    except Exception as error:  # of any kind
        pytest.skip(str(error)[:80])
    assert read(path).trace.macs == flops(CASES[name]) + recurrent_work(CASES[name])


@pytest.mark.parametrize("name", [name for name in CASES if name != "tokens"])
@pytest.mark.parametrize("form", ["dynamic", "QDQ", "QOperator"])
def test_quantised_networks_have_the_same_figures(name: str, form: str, files: Any, tmp_path: Path) -> None:
    """What ONNX Runtime makes of a network in 8 bits: as many parameters and as much work."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    path, small = files(name, new=False, free=False), tmp_path / "small.onnx"
    if form == "dynamic":
        quantization.quantize_dynamic(path, small)
    else:
        data = [{"x": np.asarray(example(CASES[name], batch=1))}]
        methods = {"get_next": lambda _: data.pop() if data else None}
        reader = type("Reader", (quantization.CalibrationDataReader,), methods)
        quantization.quantize_static(
            path, small, reader(), quant_format=quantization.QuantFormat[form], per_channel=True
        )
    before, after = read(path).trace, read(small).trace
    assert (after.params, after.macs) == (before.params, before.macs)
