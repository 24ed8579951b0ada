"""The card of a trained model: what it is, what it was trained on, how often it is right."""

from collections.abc import Iterator

from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.metrics import Scores
from audiocnn_cli.models.contract import ModelContract


def card(contract: ModelContract, evaluation: Evaluation) -> str:
    """The Markdown card of `contract`, with the confusion matrix of `evaluation`."""
    return "\n".join(
        [*_what(contract), *_how_often(contract, evaluation.clips), *_limits(contract)]
    )


def _what(contract: ModelContract) -> Iterator[str]:
    features = contract.features
    shape = " x ".join(map(str, contract.input_shape))
    yield f"# {contract.name}"
    yield ""
    yield f"Task: {contract.task}. Labels: {', '.join(contract.labels)}."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| input | {shape}: {features.feature} of {contract.segment_s:g} s at {features.sample_rate} Hz |"
    yield f"| network | {contract.architecture} (`audiocnn shapes --arch {contract.architecture}`) |"
    yield f"| answer | {contract.activation} a segment, {contract.pooling} over the segments of a clip |"
    yield f"| data | {contract.data.name} |"
    yield f"| licence of the data | {contract.data.licence} |"
    yield f"| made by | `{contract.command}` |"
    yield ""


def _how_often(contract: ModelContract, clips: Scores) -> Iterator[str]:
    yield "## How often it is right"
    yield ""
    yield "| accuracy | figure | 95 % interval | n | protocol |"
    yield "|---|---|---|---|---|"
    for figure in contract.figures:
        low, high = figure.interval_95
        yield (
            f"| {figure.name} | **{figure.value:.3f}** | {low:.3f} to {high:.3f} | {figure.n} |"
            f" {figure.protocol} |"
        )
    yield ""
    yield "Confusion matrix over the test clips: a row a true class, a column a label said."
    yield ""
    yield f"| | {' | '.join(clips.labels)} | recall |"
    yield f"|---|{'---:|' * (len(clips.labels) + 1)}"
    for label, row in zip(clips.labels, clips.confusion, strict=True):
        recall = clips.per_class[label].recall
        cells = " | ".join(map(str, row))
        yield f"| **{label}** | {cells} | {'' if recall is None else f'{recall:.2f}'} |"
    yield ""


def _limits(contract: ModelContract) -> Iterator[str]:
    yield "## What it can't do"
    yield ""
    yield (
        f"It knows {len(contract.labels)} labels and gives one of them to any sound, also to one that is none"
        " of them. The figures hold for recordings like those it was tested on."
    )
    if not contract.threshold:
        yield "It never abstains by itself: `--threshold P` makes it."
    yield ""
