"""The contract of a model: one JSON document in the metadata of its ONNX file, under the key `audiocnn`.

It holds the features, the segments, the labels and everything else that inference requires. `decode` checks
every field against its range and against the others, and names the field that does not hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.features.config import Feature
from audiocnn_cli.models.signature import Activation, Kind, Layout, Signature

METADATA_KEY = "audiocnn"
FORMAT_VERSION = 1
# In `training_clips`: every member was trained on the recording.
SEEN_BY_ALL = -1
NOT_STATED = "not stated"
# Names of inputs and outputs.
WAVEFORM = "waveform"
PROBABILITIES = "probabilities"
MEMBER_PROBABILITIES = "member_probabilities"
EMBEDDING = "embedding"
VALUES = "values"
MEMBER_VALUES = "member_values"
# The output of each kind of model, and that of its members.
OUTPUTS = {
    Kind.CLASSIFICATION: (PROBABILITIES, MEMBER_PROBABILITIES),
    Kind.REGRESSION: (VALUES, MEMBER_VALUES),
    Kind.EMBEDDING: (EMBEDDING, EMBEDDING),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure, its 95 % interval, the number of clips and the protocol.

    Figures of a classifier are proportions, 0 to 1, with Wilson's interval.
    """

    name: str
    value: float
    interval_95: tuple[float, float]
    n: int
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStatement:
    """The training data; `licence` is that of the recordings, not of the weights.

    `folder` is the name of the data set's folder, where its figures can be measured again. A set that was put
    together has `parts` of other folders instead (see `evaluation.parts`).
    """

    name: str
    licence: str
    folder: str | None = None
    parts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """What the model gives for the clip `models.golden.golden_signal`, to be reproduced within `tolerance`.

    A classifier gives `probabilities`; other kinds give `values`: the mean embedding, or the value.
    """

    duration_s: float
    probabilities: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    tolerance: float = 1e-3

    @property
    def expected(self) -> tuple[float, ...]:
        """The numbers to be reproduced."""
        return self.probabilities or self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A work whose weights are part of the model: where it is from, its licence and its notice in full."""

    work: str
    source: str
    licence: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphBinding:
    """How the inputs and outputs of a graph are used.

    `input` takes the feature tensors, minus `mean` and divided by `std` (one number, or one for each bin),
    with their axes in the order of `layout`. `lengths` takes the number of frames of each segment. `single`
    is for graphs that take one segment a run. `output` has one number for each label on its last axis;
    `activation` is applied to it. `embedding` is an output that holds an embedding.
    """

    layout: Layout
    input: str
    output: str = PROBABILITIES
    lengths: str | None = None
    single: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    activation: Activation = Activation.NONE
    embedding: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelContract(Signature):
    """Everything that a model file states about itself.

    `input_shape` is that of one segment, channels last, e.g. (130, 13, 1).

    A model of several `members` has been trained several times, each time without one fold of the data; its
    graph has an output with the scores of each member too. Its own scores are the mean of the members, or
    those of a head that was fitted on all folds. `training_clips` maps the content hash of a recording
    (`evaluation.labelled.content_hash`) to the member that was not trained on it, or to `SEEN_BY_ALL`,
    so that an evaluation never uses a network on its own training data.

    `dimensions` is the length of the embedding on the output `embedding`; None: it has none. `notices` are
    those of works by others whose weights the file holds.

    `graph` is for models from elsewhere (`audiocnn models add`). Without it the graph has one input of shape
    (segments, *input_shape) and the output of its kind (`OUTPUTS`), with several members theirs too.
    """

    task: str
    input_shape: tuple[int, ...]
    data: DataStatement
    golden: Golden
    architecture: str
    command: str
    figures: tuple[Figure, ...] = ()
    members: int = 1
    training_clips: dict[str, int] = field(default_factory=dict, repr=False)
    dimensions: int | None = None
    notices: tuple[Notice, ...] = ()
    graph: GraphBinding | None = None
    format_version: int = FORMAT_VERSION


def encode(contract: ModelContract) -> str:
    """The JSON document, for the metadata of a file."""
    return msgspec.json.encode(contract).decode()


def decode(document: str, *, where: str) -> ModelContract:
    """The contract in `document`, checked; `where` names the file in errors.

    Raises:
        ModelRefusedError: a field is missing, has the wrong type, or does not hold.
    """
    try:
        version = msgspec.json.decode(document, type=dict[str, object]).get("format_version")
        if version != FORMAT_VERSION:
            raise ModelRefusedError(
                f"{where}: the contract has format_version {version!r}; this version of audiocnn reads"
                f" {FORMAT_VERSION}"
            )
        contract = msgspec.json.decode(document, type=ModelContract)
    except msgspec.DecodeError as error:
        raise ModelRefusedError(f"{where}: the contract does not hold: {error}") from error
    except UsageError as error:
        raise ModelRefusedError(f"{where}: the contract does not hold: features: {error}") from error
    for holds, problem in _rules(contract):
        if not holds:
            raise ModelRefusedError(f"{where}: the contract does not hold: {problem}")
    return contract


def _rules(contract: ModelContract) -> Iterator[tuple[bool, str]]:
    """What must hold, each with the problem if it does not."""
    labels, shape, golden, own = contract.labels, contract.input_shape, contract.golden, contract.thresholds
    segment, expected, last = contract.segment, contract.tensor_shape, contract.members - 1
    yield _labels_hold(contract), "labels must be two or more different names, or as the kind of model needs"
    yield 0 <= contract.threshold <= 1, f"threshold must be 0 to 1, not {contract.threshold}"
    of_labels = all(name in labels and 0 <= p <= 1 for name, p in own.items())
    yield of_labels, f"thresholds must be 0 to 1 for labels of the model, not {own}"
    classifies = contract.kind is Kind.CLASSIFICATION
    yield classifies != (contract.activation is Activation.NONE), "activation must be softmax or sigmoid"
    yield 1 <= segment.hop <= segment.length, "segment.hop must be 1 to segment.length"
    yield expected[0] >= 1, f"segment.length {segment.length} is shorter than one frame"
    fits = shape[:2] == expected and shape[2:] in ((), (1,))
    yield fits, f"input_shape {shape} does not fit the {expected} that features gives"
    yield last >= 0, "members must be at least 1"
    known = all(SEEN_BY_ALL <= member <= last for member in contract.training_clips.values())
    yield known, f"training_clips must be members from {SEEN_BY_ALL} to {last}"
    dimensions, embeds = contract.dimensions, contract.kind is Kind.EMBEDDING
    yield (1 if dimensions is None else dimensions) >= 1, "dimensions must be at least 1"
    yield not embeds or dimensions is not None, "dimensions must be stated for an embedding"
    count = dimensions if embeds else len(labels)
    name = "probabilities" if classifies else "values"
    fits = len(golden.expected) == count and len(getattr(golden, name)) == count
    yield fits, f"golden.{name} must be {count}, one for each {'label' if classifies else 'number'}"
    above = golden.duration_s > 0 and golden.tolerance > 0
    yield above, "golden.duration_s and golden.tolerance must be above 0"
    for figure in contract.figures:
        low, high = figure.interval_95
        bounded = contract.kind is Kind.REGRESSION or 0 <= low <= high <= 1
        holds = bounded and low <= figure.value <= high and figure.n >= 1
        yield holds, f"figures: {figure.name} must be 0 to 1, inside its interval, n >= 1"
    if contract.graph is not None:
        yield from _graph_rules(contract, contract.graph)


def _labels_hold(contract: ModelContract) -> bool:
    labels = contract.labels
    if contract.kind is not Kind.CLASSIFICATION:
        return len(labels) == (contract.kind is Kind.REGRESSION)
    return len(labels) >= 2 and len(set(labels)) == len(labels) and all(labels)


def _graph_rules(contract: ModelContract, graph: GraphBinding) -> Iterator[tuple[bool, str]]:
    feature, bins, layout = contract.features.feature, contract.features.n_bins, graph.layout
    fits = layout.of_waveform == (feature is Feature.WAVEFORM)
    yield fits, f"graph.layout {layout} does not fit the feature {feature}"
    yield layout.batched or graph.single, f"graph.single must be true for the layout {layout}"
    numbers = len(graph.mean) == len(graph.std) and len(graph.mean) in (0, 1, bins)
    yield numbers, f"graph.mean and graph.std must be one number each, or one for each of {bins} bins"
    yield all(deviation > 0 for deviation in graph.std), "graph.std must be above 0"
