"""What a model file says of itself: one JSON document in its metadata, under the key `audiocnn`.

With it a model can't be fed the wrong thing, and nobody has to guess what it was trained on. `read`
checks every field against its range and against the others; what does not hold is refused by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.models.signature import Activation, Signature

METADATA_KEY = "audiocnn"
FORMAT_VERSION = 1
SEEN_BY_ALL = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure: what was measured, on how many, how; the interval is Wilson's at 95 %."""

    name: str
    value: float
    interval_95: tuple[float, float]
    n: int
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStatement:
    """What the model was trained on; `licence` is that of the recordings, not of the weights.

    `folder` is the name of the data set's folder, where its figures can be measured again. A set that was put
    together has `parts` of other folders instead (see `evaluation.parts`).
    """

    name: str
    licence: str
    folder: str | None = None
    parts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """The clip probabilities that `models.golden.golden_signal` must give, within `tolerance`."""

    duration_s: float
    probabilities: tuple[float, ...]
    tolerance: float = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelContract(Signature):
    """Everything needed to feed a model and to read its answer.

    `input_shape` is that of one segment, channels last, e.g. (130, 13, 1).

    A model of several `members` is the mean of networks that were each trained without one fold of the
    data; its graph gives their answers too. `training_clips` maps the content hash of a recording
    (`evaluation.labelled.content_hash`) to the member that was not trained on it, or to `SEEN_BY_ALL`,
    so that an evaluation never asks a network for what it has learnt.
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
    format_version: int = FORMAT_VERSION


def encode(contract: ModelContract) -> str:
    """The JSON document, for the metadata of a file."""
    import msgspec

    return msgspec.json.encode(contract).decode()


def decode(document: str, *, where: str) -> ModelContract:
    """The contract in `document`, checked; `where` names the file in errors.

    Raises:
        ModelRefusedError: a field is missing, of the wrong type, or does not hold.
    """
    import msgspec

    try:
        version = msgspec.json.decode(document, type=dict[str, object]).get("format_version")
        if version != FORMAT_VERSION:
            raise ModelRefusedError(
                f"{where}: format_version {version!r} is not the {FORMAT_VERSION} that this version of"
                " audiocnn reads"
            )
        contract = msgspec.json.decode(document, type=ModelContract)
    except msgspec.DecodeError as error:
        raise ModelRefusedError(f"{where}: the contract does not hold: {error}") from error
    except UsageError as error:
        raise ModelRefusedError(
            f"{where}: the contract does not hold: features: {error}"
        ) from error
    for problem in _problems(contract):
        raise ModelRefusedError(f"{where}: the contract does not hold: {problem}")
    return contract


def _problems(contract: ModelContract) -> Iterator[str]:
    labels, segment = contract.labels, contract.segment
    if len(labels) < 2 or len(set(labels)) != len(labels) or not all(labels):
        yield "labels must be two or more different names"
    if not 0 <= contract.threshold <= 1:
        yield f"threshold must be 0 to 1, not {contract.threshold}"
    if not all(
        label in labels and 0 <= threshold <= 1 for label, threshold in contract.thresholds.items()
    ):
        yield f"thresholds must be 0 to 1 for labels of the model, not {contract.thresholds}"
    if contract.activation is Activation.NONE:
        yield "activation must be softmax or sigmoid, which its graph applies"
    if not 1 <= segment.hop <= segment.length:
        yield "segment.hop must be 1 to segment.length"
    expected = contract.tensor_shape
    if contract.input_shape[:2] != expected or contract.input_shape[2:] not in ((), (1,)):
        yield f"input_shape {contract.input_shape} does not fit the {expected} that features gives"
    if len(contract.golden.probabilities) != len(labels):
        yield f"golden.probabilities must be {len(labels)}, one a label"
    if contract.members < 1:
        yield "members must be at least 1"
    if not all(
        SEEN_BY_ALL <= member < contract.members for member in contract.training_clips.values()
    ):
        yield f"training_clips must name members from {SEEN_BY_ALL} to {contract.members - 1}"
    if contract.golden.duration_s <= 0 or contract.golden.tolerance <= 0:
        yield "golden.duration_s and golden.tolerance must be above 0"
    for figure in contract.figures:
        low, high = figure.interval_95
        if not 0 <= low <= figure.value <= high <= 1 or figure.n < 1:
            yield f"figures: {figure.name} must be 0 to 1, inside its interval, of one clip or more"
