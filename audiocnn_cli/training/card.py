"""The card of a trained model: its input, its data, and its measured figures."""

from collections.abc import Iterator

from audiocnn_cli.evaluation.metrics import ConfusionMatrix
from audiocnn_cli.models.contract import ModelContract


def card(contract: ModelContract, clips: ConfusionMatrix) -> str:
    """The Markdown card of `contract`, with the confusion matrix over its test clips."""
    return "\n".join([*_facts(contract), *_figures(contract, clips), *_limits(contract)])


def _facts(contract: ModelContract) -> Iterator[str]:
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
    yield f"| output | {contract.activation} a segment, {contract.pooling} over the segments of a clip |"
    yield f"| data | {contract.data.name} |"
    yield f"| licence of the data | {contract.data.licence} |"
    yield f"| command | `{contract.command}` |"
    yield ""


def _figures(contract: ModelContract, clips: ConfusionMatrix) -> Iterator[str]:
    yield "## Evaluation"
    yield ""
    yield "| figure | value | 95 % interval | n | protocol |"
    yield "|---|---|---|---|---|"
    for figure in contract.figures:
        low, high = figure.interval_95
        yield (
            f"| {figure.name} | **{figure.value:.3f}** | {low:.3f} to {high:.3f} | {figure.n} |"
            f" {figure.protocol} |"
        )
    yield ""
    yield "Confusion matrix over the test clips: true classes in rows, predicted labels in columns."
    yield ""
    yield f"| | {' | '.join(clips.labels)} | recall |"
    yield f"|---|{'---:|' * (len(clips.labels) + 1)}"
    for label, row in zip(clips.labels, clips.counts, strict=True):
        recall = clips.per_class[label].recall
        cells = " | ".join(map(str, row))
        yield f"| **{label}** | {cells} | {'' if recall is None else f'{recall:.2f}'} |"
    yield ""


def _limits(contract: ModelContract) -> Iterator[str]:
    yield "## Limitations"
    yield ""
    yield (
        f"It has {len(contract.labels)} labels and predicts one of them for any sound, also for a sound that"
        " is none of them. The figures are valid for recordings similar to those of the test."
    )
    if not contract.threshold:
        yield "It does not abstain unless `--threshold P` is given."
    yield ""
