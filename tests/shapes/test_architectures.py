"""Named architectures: their totals are the published ones, and so is their work where it is known."""

import pytest

from audiocnn_cli.shapes.choices import architecture_names
from audiocnn_cli.shapes.stackfile import architecture
from audiocnn_cli.shapes.trace import Trace, trace

# Keras' course stacks; torchvision's model table; Keras' VAE and PixelCNN examples; PyTorch's DCGAN
# tutorial; torchvggish; Darknet-53 as in YOLOv3's reimplementations.
PUBLISHED = {
    "cnn": 298_186,
    "mlp": 1_014_218,
    "lstm": 57_802,
    "lenet5": 61_706,
    "alexnet": 61_100_840,
    "vgg16": 138_357_544,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "mobilenetv2": 3_504_872,
    "efficientnetb0": 5_288_548,
    "vitb16": 86_567_656,
    "vggish": 72_141_184,
    "vae": 69_076 + 65_089,
    "dcgan-generator": 3_576_704,
    "dcgan-discriminator": 2_765_568,
    "pixelcnn": 532_673,
    "darknet53": 40_584_928,
    # This project's own; PyTorch counts the same in tests/test_training.py.
    "logmel-cnn": 80_122,
}
# torchvision's table of GFLOPS (which counts multiply-accumulates), in 10^9, rounded as there.
GMACS = {
    "alexnet": 0.71,
    "vgg16": 15.47,
    "resnet18": 1.81,
    "resnet50": 4.09,
    "mobilenetv2": 0.30,
    "efficientnetb0": 0.39,
    "vitb16": 17.56,
}


def traced(name: str) -> Trace:
    stack = architecture(name)
    return trace(stack.layers, stack.input_shape, framework=stack.framework)


@pytest.mark.parametrize("name", architecture_names())
def test_parameters_are_the_published_ones(name: str) -> None:
    stack = architecture(name)
    assert stack.paper
    assert stack.title
    if name == "wavenet":  # the paper leaves its widths open
        assert stack.params is None
        return
    assert traced(name).params == stack.params == PUBLISHED[name]


@pytest.mark.parametrize("name", GMACS)
def test_work_is_the_published_one(name: str) -> None:
    assert traced(name).macs / 1e9 == pytest.approx(GMACS[name], abs=0.006)


def test_every_published_number_has_its_architecture() -> None:
    assert {*PUBLISHED, "wavenet"} == set(architecture_names())


def test_known_receptive_fields() -> None:
    """WaveNet's ten dilations see 1,024 samples and the first convolution one more; VGG-16's maps 212."""
    assert traced("wavenet").steps[-1].receptive_field == (1025,)
    last_pool = [step for step in traced("vgg16").steps if step.type == "maxpool"][-1]
    assert last_pool.receptive_field == (212, 212)
    assert last_pool.cumulative_stride == (32, 32)


def test_running_statistics_are_apart_from_parameters() -> None:
    """Keras' summary of ResNet-50 counts 53,120 numbers as not trainable: two a channel of its norms."""
    assert traced("resnet50").non_trainable_params == 53_120
