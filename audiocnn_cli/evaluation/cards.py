"""The Markdown card of a model: what it is, its figures, its limits, and the licences of others' weights."""

from collections.abc import Iterator, Sequence

import numpy as np

from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.metrics import ConfusionMatrix
from audiocnn_cli.models.contract import ModelContract

_TABLE_THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def card(contract: ModelContract, clips: ConfusionMatrix, *, notes: str = "") -> str:
    """The Markdown card of `contract`, with the confusion matrix over its test clips and more sections."""
    features = contract.features
    shape = " x ".join(map(str, contract.input_shape))
    abstains = "" if contract.threshold else "It does not abstain unless `--threshold P` is given.\n"
    network = contract.architecture
    if contract.dimensions is None:
        network += f" (`audiocnn shapes --arch {network}`)"
    return f"""# {contract.name}

Task: {contract.task}. Labels: {", ".join(contract.labels)}.

| | |
|---|---|
| input | {shape}: {features.feature} of {contract.segment_s:g} s at {features.sample_rate} Hz |
| network | {network} |
| output | {contract.activation} a segment, {contract.pooling} over the segments of a clip |
| data | {contract.data.name} |
| licence of the data | {contract.data.licence} |
{"".join(_notice_rows(contract))}| command | `{contract.command}` |

## Evaluation

| figure | value | 95 % interval | n | protocol |
|---|---|---|---|---|
{"".join(_figure_rows(contract))}
Confusion matrix over the test clips: true classes in rows, predicted labels in columns.

| | {" | ".join(clips.labels)} | recall |
|---|{"---:|" * (len(clips.labels) + 1)}
{"".join(_confusion_rows(clips))}
{notes}## Limitations

It has {len(contract.labels)} labels and predicts one of them for any sound, also for a sound that is none of\
 them. The figures are valid for recordings similar to those of the test.
{_acquaintance(contract)}{abstains}{"".join(_notices(contract))}"""


def value_card(contract: ModelContract, values: Sequence[float], *, notes: str = "") -> str:
    """The Markdown card of a regression model; `values` are those of its clips."""
    features = contract.features
    shape = " x ".join(map(str, contract.input_shape))
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return f"""# {contract.name}

Task: {contract.task}. It gives one number, {contract.labels[0]}.

| | |
|---|---|
| input | {shape}: {features.feature} of {contract.segment_s:g} s at {features.sample_rate} Hz |
| network | {contract.architecture} |
| output | a value a segment, {contract.pooling} over the segments of a clip |
| values of the clips | {low:g} to {high:g}, median {middle:g} |
| data | {contract.data.name} |
| licence of the data | {contract.data.licence} |
{"".join(_notice_rows(contract))}| command | `{contract.command}` |

## Evaluation

Errors are in the unit of the values.

| figure | value | 95 % interval | n | protocol |
|---|---|---|---|---|
{"".join(_figure_rows(contract))}
{notes}## Limitations

It gives a number for any sound, also for a sound that is unlike those of the test. Values outside of those of
the clips are extrapolated.
{_acquaintance(contract)}{"".join(_notices(contract))}"""


def coverage_section(evaluation: Evaluation) -> str:
    """The section of a card on what a stricter threshold gives: fewer labels, more of them correct."""
    rows = "".join(
        f"| {each.threshold:g} | {each.coverage:.3f} |"
        f" {'' if each.accuracy is None else f'{each.accuracy:.3f}'} |\n"
        for each in evaluation.coverage({*_TABLE_THRESHOLDS, evaluation.threshold})
    )
    return f"""## Thresholds

Below its threshold of {evaluation.threshold:g} the model gives no label; `--threshold P` changes it.

| threshold | clips with a label | of these correct |
|---:|---:|---:|
{rows}
"""


def _notice_rows(contract: ModelContract) -> Iterator[str]:
    for notice in contract.notices:
        yield f"| weights of others | {notice.work}; {notice.source} |\n"
        yield f"| licence of these weights | {notice.licence}, below |\n"


def _acquaintance(contract: ModelContract) -> str:
    """That the test may not be as unknown to a pre-trained network as it is to the head on it."""
    if not contract.notices:
        return ""
    return (
        "The recordings that the network below the head was trained on are not listed. Clips of the test may"
        " be among\nthem, which would make the figures too high.\n"
    )


def _notices(contract: ModelContract) -> Iterator[str]:
    for notice in contract.notices:
        quoted = "\n".join(f"> {line}".rstrip() for line in notice.text.strip().splitlines())
        yield f"\n## Licence: {notice.work}\n\n{quoted}\n"


def _figure_rows(contract: ModelContract) -> Iterator[str]:
    for figure in contract.figures:
        low, high = figure.interval_95
        interval = f"{low:.3f} to {high:.3f}"
        yield f"| {figure.name} | **{figure.value:.3f}** | {interval} | {figure.n} | {figure.protocol} |\n"


def _confusion_rows(clips: ConfusionMatrix) -> Iterator[str]:
    for (label, score), row in zip(clips.per_class.items(), clips.counts, strict=True):
        recall = "" if score.recall is None else f"{score.recall:.2f}"
        yield f"| **{label}** | {' | '.join(map(str, row))} | {recall} |\n"
