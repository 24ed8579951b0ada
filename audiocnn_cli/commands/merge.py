"""`audiocnn merge`: join the results of the shards of a batch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.output.destination import Format
from audiocnn_cli.output.terminal.console import console, print_error

if TYPE_CHECKING:
    from audiocnn_cli.batch.parts import Part
    from audiocnn_cli.batch.task import Codec
    from audiocnn_cli.output.results import View

EXAMPLES = """\b
Examples:
  audiocnn merge labels/
  audiocnn merge labels/ -o labels.csv
  audiocnn merge part-*.sqlite --jsonl > all.jsonl
"""


def merge(
    parts: Annotated[
        list[Path], typer.Argument(metavar="PARTS...", help="Journals, or folders of results that hold them.")
    ],
    *,
    report: options.Report,
    logging: options.Logging,
) -> None:
    """Join the parts that `--shard I/N` made.

    What is missing is listed. Without a format it shows the progress of each part. Exit code 1: a part is
    missing or incomplete, or an input has failed.
    """
    logging.set_up()
    destination = report.destination(logging)
    from audiocnn_cli.batch.parts import missing_shards, read_parts
    from audiocnn_cli.output.results import write_outcomes
    from audiocnn_cli.output.terminal.progress import parts_table

    found = read_parts(parts)
    if destination.format is Format.TABLE:
        with destination.open() as stream:
            console(stream).print(parts_table(found))
        code = ExitCode.SOME_FAILED if any(part.failed for part in found) else ExitCode.DONE
    else:
        codec, view = _kind_of_results(found[0].configuration, destination.format)
        outcomes = (outcome for part in found for outcome in part.outcomes(codec))
        code = write_outcomes(outcomes, view, destination).exit_code
    gaps = [f"part {shard}: is missing; run it with --shard {shard}" for shard in missing_shards(found)]
    gaps += [_gap(part) for part in found if not part.whole]
    for gap in gaps:
        print_error(gap)
    raise typer.Exit(max(code, ExitCode.SOME_FAILED) if gaps else code)


def _gap(part: "Part") -> str:
    begun = f", {part.unfinished:,} of its inputs begun" if part.unfinished else ""
    return f"part {part.shard}: is incomplete{begun}; run it again with --resume"


def _kind_of_results(configuration: dict[str, Any], format: Format) -> "tuple[Codec[Any], View[Any]]":
    """The codec and the view of the results of a command."""
    command = configuration.get("command")
    if command not in ("features", "classify", "embed", "evaluate"):
        raise UsageError(f"the journals are those of {command}, whose results can't be joined")
    if command == "evaluate":
        raise UsageError(
            "the journals of evaluate can't be joined: run audiocnn evaluate with --journal and --resume"
        )
    if command == "classify":
        from dataclasses import fields

        from audiocnn_cli.batch.task import DataclassCodec
        from audiocnn_cli.classify import Prediction
        from audiocnn_cli.output.views.classify import ClassifyView

        options: dict[str, Any] = {each.name: configuration.get(each.name) for each in fields(ClassifyView)}
        missing = ", ".join(name for name, value in options.items() if value is None)
        if missing:
            raise UsageError(f"the journals do not state {missing}: they are not those of audiocnn classify")
        return DataclassCodec(Prediction), ClassifyView(**options)
    if command == "embed":
        from audiocnn_cli.embeddings.work import EmbeddingCodec
        from audiocnn_cli.output.views.embed import EmbedView

        if format is Format.CSV and configuration.get("vectors") != "journal":
            raise UsageError("the vectors are in the data set, which holds all parts: use --json or --jsonl")
        return EmbeddingCodec(), EmbedView()
    if format is Format.CSV:
        raise UsageError("the numbers of features are in files of their own: use --json or --jsonl")
    from audiocnn_cli.output.tensors.report import FeatureReportCodec
    from audiocnn_cli.output.views.features import FeatureView

    return FeatureReportCodec(), FeatureView(with_data=False)
