"""What a student types who comes from Keras or PyTorch: understood, or refused with both readings."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.grammar import read_layer, show_layer
from audiocnn_cli.shapes.sizes import Sizes, read_input
from audiocnn_cli.shapes.work_out import StackRequest, report_of

KERAS_AND_TORCH = [
    ("Conv2d:32@3", "conv2d:32@3"),
    ("nn.Conv2d:32,kernel_size=3,stride=2,padding=1", "conv2d:32@3/2,pad=1"),
    ("Conv2D:32@(3,3),strides=(2,2),padding='same',activation='relu'", "conv2d:32@3x3/2x2,same,relu"),
    ("keras.layers.Conv2D:filters=32,kernel_size=[3, 3],use_bias=False", "conv2d:32@3x3,nobias"),
    ("Conv2D:32,kernel_size=3,dilation_rate=2,padding=SAME", "conv2d:32@3,same,dilation=2"),
    ("conv:32@3\N{MULTIPLICATION SIGN}3", "conv:32@3x3"),
    ("Conv3D:8@3", "conv3d:8@3"),
    ("MaxPool2d:2", "maxpool2d:2"),
    ("MaxPooling2D:pool_size=(2, 2)", "maxpool2d:2x2"),
    ("AveragePooling1D:3,strides=2", "avgpool1d:3/2"),
    ("pool2d:2", "maxpool2d:2"),
    ("pool:2,2", "pool:2/2"),
    ("MaxPool2d:2,2", "maxpool2d:2/2"),
    ("GlobalAveragePooling2D", "globalavgpool2d"),
    ("AdaptiveAvgPool2d:(1,1)", "adaptiveavgpool2d:1x1"),
    ("AdaptiveAvgPool2d:1,1", "adaptiveavgpool2d:1x1"),
    ("GlobalMaxPool1D:keepdims=True", "globalmaxpool1d,keepdims"),
    ("Linear:10", "dense:10"),
    ("fc:10", "dense:10"),
    ("Dense:10,activation=softmax", "dense:10,softmax"),
    ("Dense:units=10,activation=None", "dense:10"),
    ("Activation:relu", "relu"),
    ("LSTM:64,return_sequences=True", "lstm:64,sequences"),
    ("BiLSTM:8", "lstm:8,bidirectional"),
    ("SimpleRNN:8", "rnn:8"),
    ("Conv2DTranspose:8@3/2", "convtranspose2d:8@3/2"),
    ("ConvTranspose1d:8@3", "convtranspose1d:8@3"),
    ("DepthwiseConv2D:kernel_size=3,depth_multiplier=2", "depthwise2d:2@3"),
    ("SeparableConv1D:8@3", "separable1d:8@3"),
    ("separable:8@3", "separable:8@3"),
    ("BatchNorm2d", "batchnorm"),
    ("BatchNormalization:scale=False", "batchnorm,scale=no"),
    ("LayerNormalization", "layernorm"),
    ("GroupNorm:4", "groupnorm:4"),
    ("GroupNormalization:groups=4", "groupnorm:4"),
    ("Dropout:p=0.3", "dropout:0.3"),
    ("SpatialDropout2D:0.3", "dropout:0.3"),
    ("Dropout2d:0.3", "dropout:0.3"),
    ("ZeroPadding2D:(1,2)", "zeropad:1x2"),
    ("ZeroPadding2D:((1,2),(3,4))", "zeropad:1,2,3,4"),
    ("ZeroPad2d:1", "zeropad:1"),
    ("conv:8@3,padding=(1,2)", "conv:8@3,pad=1x2"),
    ("conv:8@3,padding=(1,1,1,1)", "conv:8@3,pad=1"),
    ("UpSampling2D:(2,2)", "upsample2d:2x2"),
    ("Embedding:1000,64", "embedding:1000x64"),
    ("MultiHeadAttention:4", "attention:4"),
    ("ReLU", "relu"),
    ("PReLU", "prelu"),
    ("LeakyReLU", "leakyrelu"),
    ("leaky_relu", "leakyrelu"),
    ("swish", "silu"),
    ("Identity", "identity"),
    ("dense:3,linear", "dense:3,identity"),
    ("GELU", "gelu"),
    ("Reshape:(130, 13)", "reshape:130x13"),
    ("Permute:2,1,3", "permute:2x1x3"),
    ("Concatenate:a+b", "concat:a+b"),
    ("conv : 32 @ 3 / 2 , same", "conv:32@3/2,same"),
]


@pytest.mark.parametrize(("theirs", "ours"), KERAS_AND_TORCH)
def test_names_of_keras_and_pytorch_are_understood(theirs: str, ours: str) -> None:
    layer = read_layer(theirs)
    assert layer == read_layer(ours)
    assert read_layer(show_layer(layer)) == layer


REFUSED = [
    ("conv:32@3,3", "(conv:32@3x3), the stride (conv:32@3/3) or the padding (pad=3)"),
    ("conv:32,3", "either the kernel (conv:32@3) or the padding (pad=3)"),
    ("Conv2d:32@3/2,1", "the padding is pad=1"),
    ("pool:3,2", "a stride of 2 (pool:3/2) or a window of 3x2 (pool:3x2); padding is pad=2"),
    ("Conv2D(32, 3)", "no brackets after its name; write Conv2D:64@3x3"),
    ("nn.Linear(64, 10)", "write nn.Linear:64"),
    ("linear", "Linear needs its units, linear:64; Keras' activation that changes nothing is identity"),
    ("ZeroPad2d:1,2,3,4", "left, right, top, bottom in PyTorch, here zeropad:3,4,1,2"),
    (
        "conv:8@3,padding=(1,2,3,4)",
        "top, bottom, left, right in ONNX, and left, right, top, bottom in PyTorch",
    ),
    ("conv:8@3,in_channels=1", "in_channels is that of the layer's input; leave it out"),
    ("LSTM:64,batch_first=True", "leave it out"),
    ("LSTM:64,num_layers=2", "write the layer as often"),
    ("LSTM:13,64", "one number, besides that of its input"),
    ("BatchNorm2d:32", "it has the channels of its input"),
    ("Embedding:64", "VOCABULARYxDIMENSION"),
    ("Dropout:0,5", "a decimal has a point"),
    ("InputLayer", "the input is no layer"),
    ("TimeDistributed:3", "unknown layer 'TimeDistributed'"),
    ("conv:32@3,padding=(1;2)", "neither a number nor a tuple"),
    ("conv:8@3.5", "'3.5' is not a whole number"),
]


@pytest.mark.parametrize(("text", "reading"), REFUSED)
def test_what_has_two_readings_is_refused_with_both(text: str, reading: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_layer(text)
    assert reading in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("130x13x1", (130, 13, 1)),
        ("130,13,1", (130, 13, 1)),
        ("(130, 13, 1)", (130, 13, 1)),
        ("(None, 130, 13, 1)", (130, 13, 1)),
        ("[?, 130, 13, 1]", (130, 13, 1)),
        ("None,130,13", (130, 13)),
        ("130\N{MULTIPLICATION SIGN}13\N{MULTIPLICATION SIGN}1", (130, 13, 1)),
        ("130 x 13 x 1", (130, 13, 1)),
        ("130X13", (130, 13)),
        ("130 13 1", (130, 13, 1)),
        ("130*13", (130, 13)),
        ("-1,130,13,1", (130, 13, 1)),
        ("Nx130x13x1", (130, 13, 1)),
        ("(16000,)", (16000,)),
        ("torch.Size([130, 13])", (130, 13)),
    ],
)
def test_shapes_are_read_as_frameworks_write_them(text: str, sizes: Sizes) -> None:
    assert read_input(text) == sizes


@pytest.mark.parametrize(
    "text", ["1,024x13", "(130,13", "", "None", "x", "130xa", "130x0", "130.5", "13x-1", "130;13", "1x2,3"]
)
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_input(text)


BATCHES = [
    ("32x130x13x1", "Conv2D:32@3"),
    ("32x130x13x1", "conv:32@3"),
    ("32x130x13x1", "flatten"),
    ("32x130x13x1", "globalavgpool"),
    ("(32, 1, 130, 13)", "Conv2d:32@3"),
]


@pytest.mark.parametrize(("shape", "layer"), BATCHES)
def test_a_batch_is_named_as_such(shape: str, layer: str) -> None:
    with pytest.raises(UsageError, match=r"leave out the batch of 32.*`input_shape=130x13x1`"):
        report_of(StackRequest(input_shape=shape, layers=(layer,)))


def test_a_batch_before_the_input_of_an_architecture_is_named_as_such() -> None:
    with pytest.raises(UsageError, match=r"has 4 sizes, and the stack takes 3: leave out the batch of 32"):
        report_of(StackRequest(input_shape="32x130x13x1", arch="cnn"))


def test_volumes_have_four_sizes() -> None:
    for layer in ("conv3d:8@3", "conv:8@3x3x3", "MaxPool3d:2"):
        assert len(report_of(StackRequest(input_shape="10x20x30x1", layers=(layer,))).trace.output) == 4


def test_channels_first_are_named_as_such() -> None:
    collapse = report_of(StackRequest(input_shape="1x130x13", layers=("conv:8@3",))).collapse
    assert collapse is not None
    assert collapse.fixes[0].text == "an input of 130x13x1 (channels last)"
    notes = report_of(StackRequest(input_shape="3x224x224", layers=("conv:8@3",))).notes
    assert notes == ("3x224x224 has 224 channels; (C, H, W) is `input_shape=224x224x3` here",)
    assert not report_of(StackRequest(input_shape="224x224x3", layers=("conv:8@3",))).notes


def test_a_batch_before_a_sequence_is_named_as_such() -> None:
    collapse = report_of(StackRequest(input_shape="32x130x13", layers=("LSTM:8",))).collapse
    assert collapse is not None
    assert collapse.fixes[0].text == "an input of 130x13 (without the batch)"


_WORDS = (
    "conv conv2d Conv2D: pool: MaxPool2d Linear: lstm: flatten dense zeropad: reshape: permute: embedding: "
    "add: concat groupnorm prelu glu attention: name= from= weights= kernel_size= padding= strides= same "
    "valid causal relu activation= axis= None True ( ) [ ] ' \" , : @ / = x + - . 0 1 2 3 32 "
    "1000000000000 -1 0.5 3x3 (2,2) ((1,1),(2,2)) "
    "\N{MULTIPLICATION SIGN} \N{SUPERSCRIPT THREE} nn. keras.layers. in a"
)
WORDS = st.sampled_from(_WORDS.split())
TEXT = st.one_of(st.lists(WORDS, min_size=1, max_size=8).map("".join), st.text(max_size=30))
SHAPES = st.sampled_from(["130x13x1", "(None, 20, 8)", "16", "6x7x8x2", "40,40,3"])


@given(TEXT)
@example("conv:2@3,name=a(,same")
@example("conv:2@3,name='")
@example("zeropad:1,2,3")
@example("pool:2,2,2")
def test_every_text_is_a_layer_or_one_sentence(text: str) -> None:
    try:
        layer = read_layer(text)
    except UsageError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 900
        return
    assert read_layer(show_layer(layer)) == layer


@given(SHAPES, st.lists(TEXT, min_size=1, max_size=4))
def test_every_stack_is_worked_out_or_one_sentence(shape: str, texts: list[str]) -> None:
    try:
        report = report_of(StackRequest(input_shape=shape, layers=tuple(texts)))
    except UsageError as error:
        assert "\n" not in str(error)
        return
    assert report.collapse is None or "\n" not in report.collapse.sentence


@given(st.one_of(st.text(max_size=20), st.lists(WORDS, max_size=6).map("".join)))
def test_every_text_is_a_shape_or_one_sentence(text: str) -> None:
    try:
        sizes = read_input(text)
    except UsageError as error:
        assert "\n" not in str(error)
        return
    assert sizes
    assert min(sizes) >= 1
