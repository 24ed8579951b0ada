"""Where the channels of a tensor are: axis 1 at convolutions, poolings and channel norms.

It holds of all tensors that are joined with such a one by operators that keep every element at its position.
"""

from audiocnn_cli.shapes.onnxfile.infer import Inferred
from audiocnn_cli.shapes.onnxfile.network import MISSING, Op

CHANNELS_FIRST = frozenset({
    "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv", "DeformConv", "MaxPool",
    "AveragePool",
    "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "BatchNormalization",
    "InstanceNormalization",
    "GroupNormalization", "QLinearGlobalAveragePool", "QLinearAveragePool", "MaxRoiPool", "DepthToSpace",
    "SpaceToDepth", "LRN",
})  # fmt: skip
# Operators that keep every element at its position, so the channels stay on the same axis.
IN_PLACE = frozenset({
    "Abs", "Add", "And", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Concat", "Div", "Dropout", "Elu",
    "Erf", "Exp",
    "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "LogSoftmax", "Max",
    "Mean", "Min",
    "Mish", "Mod", "Mul", "Neg", "Not", "PRelu", "Pad", "Pow", "QuantizeLinear", "DequantizeLinear",
    "DynamicQuantizeLinear", "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearLeakyRelu",
    "QLinearSigmoid",
    "Reciprocal", "Relu", "Resize", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Slice", "Softmax",
    "Softplus", "Softsign", "Split", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Upsample",
    "Where",
    "ReduceMean", "ReduceMax", "ReduceSum", "LpNormalization", "QuickGelu", "FastGelu",
})  # fmt: skip


def channels_first(inferred: Inferred) -> frozenset[int]:
    """The tensors of at least three axes whose channels are axis 1."""
    group: dict[int, int] = {}

    def root(number: int) -> int:
        while (above := group.get(number, number)) != number:
            group[number] = group.get(above, above)
            number = group[number]
        return number

    anchors: list[int] = []
    tensors: set[int] = set()
    for op in inferred.network.block.everywhere():
        if op.type in CHANNELS_FIRST:
            found = [op.input(0), op.first_output]
            anchors += [number for number in found if _axes(inferred, number) > 2]
        if op.type in CHANNELS_FIRST or op.type in IN_PLACE:
            together = _joined(op, inferred)
            tensors.update(together)
            for number in together[1:]:
                group[root(number)] = root(together[0])
    first = {root(number) for number in anchors}
    return frozenset([number for number in tensors if root(number) in first] + anchors)


def _joined(op: Op, inferred: Inferred) -> list[int]:
    """The inputs and outputs of `op` whose axes are the same: no constants, of the same rank."""
    axes = _axes(inferred, op.first_output)
    numbers = (*op.inputs, *op.outputs)
    return [
        number
        for number in numbers
        if axes > 2 and _axes(inferred, number) == axes and not inferred.constant[number]
    ]


def _axes(inferred: Inferred, number: int) -> int:
    """The number of axes of a tensor; 0 where it is unknown."""
    return 0 if number == MISSING else inferred.values[number].rank or 0
