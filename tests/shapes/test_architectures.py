"""Named architectures: their totals are the published ones, and so is their work where it is known."""

import pytest

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.choices import architecture_names
from audiocnn_cli.shapes.listing import list_architectures
from audiocnn_cli.shapes.stackfile import architecture
from audiocnn_cli.shapes.trace import Trace, trace
from audiocnn_cli.shapes.work_out import StackRequest, report_of

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
    # Hugging Face's GPT2LMHeadModel, Wav2Vec2FeatureEncoder and Wav2Vec2ConformerEncoderLayer (144 channels,
    # 4 heads, a kernel of 31); torchvision's models; Keras' MobileNet.
    "gpt2": 124_439_808,
    "wav2vec2": 4_200_448,
    "conformer": 506_160,
    "ssd300-vgg16": 35_641_826,
    "fasterrcnn-resnet50-fpn": 41_755_286,
    "maskrcnn-resnet50-fpn": 44_401_393,
    "mobilenetv1": 4_231_976,
    # 3,751,369 weights, of which 21,888 running statistics; 396,786 by its authors; "787k" by its authors.
    "yamnet": 3_729_481,
    "crnn": 396_786,
    "musicnn": 787_159,
}
# The papers leave widths open, or give no number.
WITHOUT_NUMBER = {"wavenet", "pixelrnn"}
# torchvision's table of GFLOPS (which counts multiply-accumulates), in 10^9, rounded as there.
GMACS = {
    "alexnet": 0.71,
    "vgg16": 15.47,
    "resnet18": 1.81,
    "resnet50": 4.09,
    "mobilenetv2": 0.30,
    "efficientnetb0": 0.39,
    "vitb16": 17.56,
    "ssd300-vgg16": 34.86,
    # The papers of MobileNet (569 M), and the README of YAMNet (69.2 M).
    "mobilenetv1": 0.569,
    "yamnet": 0.0692,
}
# PyTorch's flop counter on the models themselves: torchvision 0.28 (one region), transformers 5.24.
MACS = {
    "ssd300-vgg16": 34_858_153_472,
    "fasterrcnn-resnet50-fpn": 120_034_528_768,
    "maskrcnn-resnet50-fpn": 120_566_595_072,
    "wav2vec2": 2_450_123_776,
    "gpt2": 145_824_153_600,
    "conformer": 58_011_264,
}
# Araujo et al., Distill (2019), table of receptive fields before the pooling over all positions; wav2vec 2.0,
# section 4.2: 400 samples every 320.
RECEPTIVE_FIELDS = {"alexnet": 195, "vgg16": 212, "mobilenetv1": 315, "efficientnetb0": 851, "wav2vec2": 400}


def traced(name: str) -> Trace:
    stack = architecture(name)
    return trace(stack.layers, stack.input_shape, framework=stack.framework)


@pytest.mark.parametrize("name", architecture_names())
def test_parameters_are_the_published_ones(name: str) -> None:
    stack = architecture(name)
    assert stack.paper
    assert stack.title
    if name in WITHOUT_NUMBER:
        assert stack.params is None
        return
    assert traced(name).params == stack.params == PUBLISHED[name]


@pytest.mark.parametrize("name", GMACS)
def test_work_is_the_published_one(name: str) -> None:
    assert traced(name).macs / 1e9 == pytest.approx(GMACS[name], abs=0.006)


@pytest.mark.parametrize("name", MACS)
def test_work_is_that_of_the_model_itself(name: str) -> None:
    assert traced(name).macs == MACS[name]


def test_outputs_of_detection_networks_are_those_of_torchvision() -> None:
    assert traced("ssd300-vgg16").ends == (("classes", (8732, 91)), ("boxes", (8732, 4)))
    levels = [
        (f"p{level}", (size, size)) for level, size in zip(range(2, 7), (200, 100, 50, 25, 13), strict=True)
    ]
    proposed = [
        (f"{what}_{level}", (*sizes, channels))
        for level, sizes in levels
        for what, channels in (("objectness", 3), ("offsets", 12))
    ]
    heads = [("classes", (91,)), ("boxes", (364,))]
    assert list(traced("fasterrcnn-resnet50-fpn").ends) == proposed + heads
    assert list(traced("maskrcnn-resnet50-fpn").ends) == [*proposed, *heads, ("masks", (28, 28, 91))]


@pytest.mark.parametrize("name", RECEPTIVE_FIELDS)
def test_receptive_fields_are_the_published_ones(name: str) -> None:
    step = [step for step in traced(name).steps if step.cumulative_stride][-1]
    assert set(step.receptive_field) == {RECEPTIVE_FIELDS[name]}


def test_resnet50_has_427_and_483_by_where_its_strides_are() -> None:
    """PyTorch has them on the 3x3 convolutions, the paper and Araujo et al. on the 1x1 before."""
    report = report_of(StackRequest(arch="resnet50"))
    assert report.notes[0].startswith(
        "receptive field before the pooling over all positions: 427x427; 483x483"
    )


def test_a_gate_is_apart_from_the_convolutions() -> None:
    first = next(step for step in traced("efficientnetb0").steps if step.type == "multiply")
    assert (first.receptive_field, first.gate, first.gate_text) == (
        (7, 7),
        (224, 224),
        "all, through the gate",
    )
    last = traced("efficientnetb0").steps[-1]
    assert (last.receptive_field, last.gate) == ((224, 224), None)


def test_every_published_number_has_its_architecture() -> None:
    assert set(PUBLISHED) | WITHOUT_NUMBER == set(architecture_names())


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("lenet", "lenet5"), ("LeNet-5", "lenet5"), ("resnet-50", "resnet50"), ("ResNet50", "resnet50"),
        ("resnet_50", "resnet50"), ("yolo", "darknet53"), ("gan", "dcgan-discriminator"),
        ("GAN discriminator", "dcgan-discriminator"), ("Faster R-CNN", "fasterrcnn-resnet50-fpn"),
        ("mask-rcnn", "maskrcnn-resnet50-fpn"), ("SSD300", "ssd300-vgg16"), ("GPT-2", "gpt2"),
        ("MobileNet", "mobilenetv1"), ("MobileNet_V2", "mobilenetv2"), ("ViT-B/16", "vitb16"),
        ("wav2vec 2.0", "wav2vec2"), ("EfficientNet", "efficientnetb0"),
    ],
)  # fmt: skip
def test_aliases_need_neither_case_nor_hyphens(alias: str, name: str) -> None:
    assert architecture(alias) == architecture(name)


def test_aliases_are_of_one_architecture_each() -> None:
    names = [name for each in architecture_names() for name in (each, *architecture(each).aliases)]
    assert len({"".join(filter(str.isalnum, name)).lower() for name in names}) == len(names)


def test_a_name_that_is_none_is_refused_with_near_ones() -> None:
    with pytest.raises(UsageError, match="unknown architecture 'resnet51'; did you mean resnet50"):
        architecture("resnet51")


def test_the_list_has_the_counted_parameters() -> None:
    listed = {each.name: each.params for each in list_architectures()}
    assert listed == {name: traced(name).params for name in architecture_names()}


def test_gpt2_has_its_positions_whatever_the_input() -> None:
    assert report_of(StackRequest(arch="gpt2", input_shape="100")).trace.params == PUBLISHED["gpt2"]
    collapse = report_of(StackRequest(arch="gpt2", input_shape="2000")).collapse
    assert collapse is not None
    assert "has 1024 positions, and its input 2000" in collapse.sentence


def test_known_receptive_fields() -> None:
    """WaveNet's ten dilations see 1,024 samples and the first convolution one more; VGG-16's maps 212."""
    assert traced("wavenet").steps[-1].receptive_field == (1025,)
    last_pool = [step for step in traced("vgg16").steps if step.type == "maxpool"][-1]
    assert last_pool.receptive_field == (212, 212)
    assert last_pool.cumulative_stride == (32, 32)


def test_running_statistics_are_apart_from_parameters() -> None:
    """Keras' summary of ResNet-50 counts 53,120 numbers as not trainable: two a channel of its norms."""
    assert traced("resnet50").non_trainable_params == 53_120
