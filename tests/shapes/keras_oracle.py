"""Store Keras' shapes and parameter counts: `python tests/shapes/keras_oracle.py`.

Keras is no dependency of the project, not even of its tests; run this where it is installed
(KERAS_BACKEND=torch python tests/shapes/keras_oracle.py) after changing the cases.
"""

import itertools
import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "keras_results.json"


def cases() -> list[tuple[str, str, list[int], dict[str, Any]]]:
    """Our text, Keras' class, the input and Keras' options."""
    found: list[tuple[str, str, list[int], dict[str, Any]]] = []
    for size, kernel, stride, padding in itertools.product(
        (1, 6, 13, 130), (1, 2, 3, 5), (1, 2, 3), ("valid", "same")
    ):
        if padding == "same" or size >= kernel:
            options = {"strides": stride, "padding": padding}
            text = f"{kernel}/{stride},{padding}"
            conv = {"filters": 4, "kernel_size": kernel, **options}
            found.append((f"conv2d:4@{text}", "Conv2D", [size, 9, 3], conv))
            found.append((f"maxpool:{text}", "MaxPooling2D", [size, 9, 3], {"pool_size": kernel, **options}))
            found.append(
                (f"avgpool:{text}", "AveragePooling2D", [size, 9, 3], {"pool_size": kernel, **options})
            )
        options = {"filters": 4, "kernel_size": kernel, "strides": stride, "padding": padding}
        found.append(
            (f"convtranspose:4@{kernel}/{stride},{padding}", "Conv2DTranspose", [size, 9, 3], options)
        )
        if stride > 1:
            extra = {"output_padding": 1}
            text = f"convtranspose:4@{kernel}/{stride},{padding},output_padding=1"
            found.append((text, "Conv2DTranspose", [size, 9, 3], options | extra))
    for kernel, dilation, padding in itertools.product((2, 3), (1, 2, 4), ("same", "valid", "causal")):
        options = {"filters": 5, "kernel_size": kernel, "dilation_rate": dilation, "padding": padding}
        found.append((f"conv1d:5@{kernel},{padding},dilation={dilation}", "Conv1D", [20, 2], options))
    for multiplier, stride in itertools.product((1, 3), (1, 2)):
        options = {"kernel_size": 3, "depth_multiplier": multiplier, "strides": stride}
        found.append((f"depthwise:{multiplier}@3/{stride}", "DepthwiseConv2D", [9, 8, 4], options))
    for kind, name in (("lstm", "LSTM"), ("gru", "GRU"), ("rnn", "SimpleRNN")):
        for every in (False, True):
            text = f"{kind}:7" + (",sequences" if every else "")
            found.append((text, name, [11, 5], {"units": 7, "return_sequences": every}))
    found += [
        ("dense:10", "Dense", [6, 5], {"units": 10}),
        ("flatten", "Flatten", [4, 3, 2], {}),
        ("reshape:-1x4", "Reshape", [4, 3, 2], {"target_shape": [-1, 4]}),
        ("permute:2x1x3", "Permute", [4, 3, 2], {"dims": [2, 1, 3]}),
        ("upsample:2x3", "UpSampling2D", [4, 3, 2], {"size": [2, 3]}),
        ("zeropad:1,2,3,4", "ZeroPadding2D", [4, 3, 2], {"padding": [[1, 2], [3, 4]]}),
        ("globalavgpool", "GlobalAveragePooling2D", [4, 3, 2], {}),
        ("globalmaxpool,keepdims", "GlobalMaxPooling2D", [4, 3, 2], {"keepdims": True}),
        ("layernorm", "LayerNormalization", [4, 3], {}),
        ("batchnorm", "BatchNormalization", [4, 3, 2], {}),
    ]
    return found


def main() -> None:
    """Write Keras' result for every case; null where it raises an error."""
    import keras  # type: ignore[import-not-found]  # see the module's docstring

    results = []
    for text, name, shape, options in cases():
        try:
            layer = getattr(keras.layers, name)(**options)
            layer.build([None, *shape])
            output = layer.compute_output_shape([None, *shape])
            params = sum(_count(weight.shape) for weight in layer.trainable_weights)
            results.append({"layer": text, "input": shape, "output": list(output[1:]), "params": params})
        except (ValueError, TypeError):
            results.append({"layer": text, "input": shape, "output": None, "params": None})
    lines = ",\n".join(json.dumps(result) for result in results)
    RESULTS.write_text(f'{{"keras": "{keras.__version__}", "results": [\n{lines}\n]}}\n')


def _count(shape: Any) -> int:
    count = 1
    for size in shape:
        count *= int(size)
    return count


if __name__ == "__main__":
    main()
