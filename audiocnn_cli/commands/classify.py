"""`audiocnn classify`: labels from an ONNX model."""

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.classify_options import (
    EventOptions,
    InputOptions,
    InspectOptions,
    LabelOptions,
    ModelOptions,
)

EXAMPLES = """\b
Examples:
  audiocnn classify *.wav
  audiocnn classify recordings/ --csv > labels.csv
  audiocnn classify s3://bucket/archive/ --format parquet -o set/ --cluster tcp://scheduler:8786
  audiocnn classify recordings/ -o labels/ --resume
  audiocnn classify song.flac --timeline --overlap 0.5 --smooth 6
  audiocnn classify song.flac --format audacity -o song.txt
  audiocnn classify recordings/ --format raven -o selections.txt
  audiocnn classify *.flac --model genre --threshold 0.8 --json
  audiocnn classify song.flac --trace --why
  audiocnn classify song.flac --report song.html
  sox song.flac -t raw -e signed -b 16 -c 1 - | audiocnn classify - --raw s16le --sr 22050
"""


def classify(
    paths: options.Inputs = None,
    *,
    model: ModelOptions,
    events: EventOptions,
    inputs: InputOptions,
    inspection: InspectOptions,
    output: LabelOptions,
    many: options.ManyFiles,
    logging: options.BatchLogging,
) -> None:
    """Label audio with an ONNX model.

    The label of a clip is that of the mean over its segments. Where the last segment is partial it is
    moved back to end with the clip, or dropped if less than half of it is there; a clip shorter than a
    segment is repeated to fill it. Without --model the clip's type of sound selects it: a genre for music,
    a sound for the environment, 'speech' for speech. Below the threshold the table shows the best candidate
    with a question mark; silence, and other types of sound than the model is for, get no label but a
    reason. A model from elsewhere gets its labels and feature settings once, by `audiocnn models
    add`. The path '-' is a stream on standard input, labelled as it arrives.
    """
    logging.set_up()
    from audiocnn_cli.audio.load import Excerpt
    from audiocnn_cli.classify import ClassifyOptions
    from audiocnn_cli.commands.batch import batch_options
    from audiocnn_cli.commands.classify_run import Run, stream_of
    from audiocnn_cli.output.views.classify import ClassifyView

    stream = stream_of(paths or [], inputs)
    destination = output.destination(many, logging)
    task = model.task(
        ClassifyOptions(
            top=model.top,
            thresholds=model.thresholds,
            excerpt=Excerpt(inputs.offset or 0.0, inputs.duration),
            overlap=events.overlap,
            smooth_s=events.smooth,
            min_event_s=events.min_event,
            parts=bool(events.timeline or events.events or stream or destination.has_event_format),
        )
    )
    run = Run(
        task=task,
        view=ClassifyView(timeline=events.timeline, events=events.events, same_labels=not task.auto),
        destination=destination,
        batch=batch_options([stream.path] if stream else paths, many, force=output.force),
    )
    if inspection.given:
        from audiocnn_cli.commands.classify_inspect import inspect

        raise typer.Exit(inspect(run, inspection, streamed=stream is not None))
    raise typer.Exit(run.stream(stream) if stream else run.files())
