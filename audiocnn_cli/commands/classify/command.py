"""`audiocnn classify`: labels from an ONNX model."""

import typer

from audiocnn_cli.commands import feature_options as features
from audiocnn_cli.commands import options
from audiocnn_cli.commands.classify import options as given
from audiocnn_cli.output.terminal.console import set_up_logging

EXAMPLES = """\b
Examples:
  audiocnn classify *.wav
  audiocnn classify recordings/ --csv > labels.csv
  audiocnn classify s3://bucket/archive/ --format parquet -o set/ --cluster tcp://scheduler:8786
  audiocnn classify recordings/ -o labels/ --resume
  audiocnn classify song.flac --timeline --overlap 0.5 --smooth 6
  audiocnn classify song.flac --format audacity -o song.txt
  audiocnn classify recordings/ --format raven -o selections.txt
  audiocnn classify *.flac --model auto --json
  audiocnn classify song.flac --trace --why
  audiocnn classify song.flac --report song.html
  sox song.flac -t raw -e signed -b 16 -c 1 - | audiocnn classify - --raw s16le --sr 22050
"""


def classify(
    paths: given.Paths = None,
    model: given.Model = None,
    ensemble: given.Ensemble = None,
    top: given.Top = 3,
    threshold: given.Threshold = None,
    gate: given.Gate = None,
    timeline: given.Timeline = False,
    events: given.Events = False,
    overlap: given.Overlap = None,
    smooth: given.Smooth = 0.0,
    min_event: given.MinEvent = 0.0,
    offset: features.Offset = None,
    duration: features.Duration = None,
    raw: given.Raw = None,
    sample_rate: given.SampleRate = None,
    raw_channels: given.RawChannels = 1,
    microphone: given.Microphone = False,
    provider: given.Provider = "cpu",
    trace: given.Trace = False,
    why: given.Why = False,
    report: given.Report = None,
    jobs: options.Jobs = None,
    timeout: options.Timeout = None,
    journal: options.Journal = None,
    resume: options.Resume = False,
    checksum: options.Checksum = False,
    failures: options.Failures = None,
    retry_failures: options.RetryFailures = None,
    shard: options.ShardOf = None,
    cluster: options.Cluster = None,
    log_json: options.LogJson = False,
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.FileOrFolder = None,
    format: given.Format = None,
    partition_by: options.PartitionOf = None,
    part_files: options.PartFiles = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Label audio: segments through a CNN, their mean as the answer for the clip.

    The last partial segment is moved back to end with the clip if it is half a segment or more, and
    dropped if not; a clip shorter than a segment is repeated to fill it. The output says which. Silence,
    and another type of sound than the model is for, get no label but the reason why.
    """
    set_up_logging(quiet=quiet, verbose=verbose, as_json=log_json)
    from audiocnn_cli.audio.load import Excerpt
    from audiocnn_cli.classify import ClassifyOptions
    from audiocnn_cli.commands.batch import BatchOptions, output_everywhere
    from audiocnn_cli.commands.classify.choose import choose_models, thresholds_from
    from audiocnn_cli.commands.classify.inspect import InspectOptions
    from audiocnn_cli.commands.classify.run import Stream, run
    from audiocnn_cli.datasets.dataset import PartOptions
    from audiocnn_cli.output.labels.destination import choose_label_output
    from audiocnn_cli.output.views.classify import ClassifyView

    stream = Stream.of(
        paths or [],
        raw=raw,
        sample_rate=sample_rate,
        channels=raw_channels,
        microphone=microphone,
    )
    batch = BatchOptions(
        paths=[stream.path] if stream else paths,
        jobs=jobs,
        timeout=timeout,
        journal=journal,
        resume=resume,
        checksum=checksum,
        failures=failures,
        retry_failures=retry_failures,
        shard=shard,
        cluster=cluster,
        force=force,
    )
    destination = choose_label_output(
        json=json,
        jsonl=jsonl,
        csv=csv,
        output=output_everywhere(output, cluster),
        format=format,
        parts=PartOptions(partition_by=partition_by, part_files=part_files),
        force=force or resume,
    )
    work = choose_models(
        model=model,
        ensemble=ensemble,
        gate=gate,
        provider=provider,
        options=ClassifyOptions(
            top=top,
            thresholds=thresholds_from(threshold or []),
            excerpt=Excerpt(offset or 0.0, duration),
            overlap=overlap,
            smooth_s=smooth,
            min_event_s=min_event,
            parts=timeline or events or stream is not None or destination.wants_events,
        ),
    )
    view = ClassifyView(timeline=timeline, events=events, same_labels=not work.auto)
    inspect = InspectOptions(trace=trace, why=why, report=report, force=force)
    raise typer.Exit(run(work, view, destination, inspect=inspect, stream=stream, batch=batch))
