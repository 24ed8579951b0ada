"""The card of a trained model: its input, its data, and its measured figures."""

from collections.abc import Iterator

from audiocnn_cli.evaluation.metrics import ConfusionMatrix
from audiocnn_cli.models.contract import ModelContract


def card(contract: ModelContract, clips: ConfusionMatrix) -> str:
    """The Markdown card of `contract`, with the confusion matrix over its test clips."""
    features = contract.features
    shape = " x ".join(map(str, contract.input_shape))
    abstains = "" if contract.threshold else "It does not abstain unless `--threshold P` is given.\n"
    return f"""# {contract.name}

Task: {contract.task}. Labels: {", ".join(contract.labels)}.

| | |
|---|---|
| input | {shape}: {features.feature} of {contract.segment_s:g} s at {features.sample_rate} Hz |
| network | {contract.architecture} (`audiocnn shapes --arch {contract.architecture}`) |
| output | {contract.activation} a segment, {contract.pooling} over the segments of a clip |
| data | {contract.data.name} |
| licence of the data | {contract.data.licence} |
| command | `{contract.command}` |

## Evaluation

| figure | value | 95 % interval | n | protocol |
|---|---|---|---|---|
{"".join(_figures(contract))}
Confusion matrix over the test clips: true classes in rows, predicted labels in columns.

| | {" | ".join(clips.labels)} | recall |
|---|{"---:|" * (len(clips.labels) + 1)}
{"".join(_confusion(clips))}
## Limitations

It has {len(contract.labels)} labels and predicts one of them for any sound, also for a sound that is none of\
 them. The figures are valid for recordings similar to those of the test.
{abstains}"""


def _figures(contract: ModelContract) -> Iterator[str]:
    for figure in contract.figures:
        low, high = figure.interval_95
        interval = f"{low:.3f} to {high:.3f}"
        yield f"| {figure.name} | **{figure.value:.3f}** | {interval} | {figure.n} | {figure.protocol} |\n"


def _confusion(clips: ConfusionMatrix) -> Iterator[str]:
    for (label, score), row in zip(clips.per_class.items(), clips.counts, strict=True):
        recall = "" if score.recall is None else f"{score.recall:.2f}"
        yield f"| **{label}** | {' | '.join(map(str, row))} | {recall} |\n"
