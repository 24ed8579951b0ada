"""`audiocnn embed`: a vector for each segment of a recording."""

from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from audiocnn_cli.audio.sources import STDIN
from audiocnn_cli.commands import options
from audiocnn_cli.commands.classify_options import complete_provider
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option
from audiocnn_cli.errors import ExitCode, OutputError, UsageError
from audiocnn_cli.models.signature import Pooling
from audiocnn_cli.output.formats import EMBEDDING_FORMATS, Format

if TYPE_CHECKING:
    from audiocnn_cli.batch.job import BatchOptions
    from audiocnn_cli.embeddings.clip import EmbedOptions
    from audiocnn_cli.embeddings.work import Embedding, EmbeddingByType
    from audiocnn_cli.output.tensors.embeddings import EmbeddingOutput

EXAMPLES = """\b
Examples:
  audiocnn embed recordings/ -o set/
  audiocnn embed recordings/ -o set/ --resume
  audiocnn embed recordings/ --model music --overlap 0.5 -o vectors.npz
  audiocnn embed recordings/ --pool mean --csv > table.csv
  audiocnn embed song.wav --json
  audiocnn search rooster.wav --in set/
"""


_OTHERWISE = "give another `output`, or replace the set with `force=True`"


@option_group
class EmbedModelOptions:
    """The model whose embedding is computed."""

    heading: ClassVar[str] = "Model"
    model: Annotated[
        str | None,
        option(
            "A model's name, or an .onnx file, with an embedding.",
            default="music, speech or sound: the backbone for the type of sound",
            metavar="NAME|FILE",
            autocompletion=options.complete_model,
        ),
    ] = None
    provider: Annotated[
        str,
        option(
            "Execution provider; see `audiocnn models providers`.",
            metavar="NAME",
            autocompletion=complete_provider,
        ),
    ] = "cpu"


@option_group
class EmbedInputOptions:
    """The part of the recording, and its segments."""

    heading: ClassVar[str] = "Input"
    offset: Annotated[float | None, option("Start here.", default="0", metavar="SECONDS")] = None
    duration: Annotated[float | None, option("Read this much.", default="all", metavar="SECONDS")] = None
    overlap: Annotated[
        float | None,
        option("Fraction of a segment that the next repeats.", default="the model's", metavar="FRACTION"),
    ] = None
    pool: Annotated[
        Pooling | None, option("One vector a recording: the mean of its segments.", default="none")
    ] = None

    @property
    def options(self) -> "EmbedOptions":
        """The options of each clip.

        Raises:
            UsageError: a value is out of its range.
        """
        from audiocnn_cli.audio.load import Excerpt
        from audiocnn_cli.embeddings.clip import EmbedOptions

        excerpt = Excerpt(self.offset or 0.0, self.duration)
        return EmbedOptions(overlap=self.overlap, pool=self.pool, excerpt=excerpt)


@option_group
class VectorOptions:
    """Where vectors are written, and in which format."""

    heading: ClassVar[str] = "Output"
    json: options.Json = False
    jsonl: options.Jsonl = False
    csv: options.Csv = False
    output: Annotated[
        str | None,
        option(
            "A Parquet data set in FOLDER/, or one file, in the format of its extension.",
            "--output",
            "-o",
            metavar="FILE|FOLDER/",
        ),
    ] = None
    format: Annotated[
        Format | None,
        options.format_option(EMBEDDING_FORMATS, show_default="by the suffix; parquet in FOLDER/"),
    ] = None
    partition_by: options.PartitionOf = None
    part_files: options.PartFiles = None
    force: options.Force = False

    def destination(self, many: options.ManyFiles, logging: options.Logging) -> "EmbeddingOutput":
        """The destination that the options choose.

        Raises:
            UsageError: options that contradict each other, or an extension without a format.
            OutputError: the file can't be written.
            MissingExtraError: the format needs a package that is not installed.
        """
        from audiocnn_cli.commands.batch import output_everywhere
        from audiocnn_cli.datasets.dataset import PartOptions
        from audiocnn_cli.output.tensors.embeddings import choose_embedding_output

        return choose_embedding_output(
            json=self.json,
            jsonl=self.jsonl,
            csv=self.csv,
            output=output_everywhere(self.output, many.cluster),
            format=self.format,
            parts=PartOptions(partition_by=self.partition_by, part_files=self.part_files),
            force=self.force or many.resume,
            quiet=logging.quiet,
            verbose=logging.verbose,
        )


def embed(
    paths: options.Inputs = None,
    *,
    model: EmbedModelOptions,
    inputs: EmbedInputOptions,
    output: VectorOptions,
    many: options.ManyFiles,
    logging: options.BatchLogging,
) -> None:
    """Compute an embedding, a vector, for each segment of a recording.

    Similar sounds have similar vectors: to search, to cluster, to train a classifier on. Segments are those
    of `audiocnn classify`. All vectors of a run are of one model. Without --model it is the backbone for the
    type of sound of most recordings, by a sample of 32 of them, and `sound` where they are mixed; a data set
    that exists keeps its model. Silent segments have a vector too, and are marked.
    """
    logging.set_up()
    from audiocnn_cli.commands.batch import batch_options

    destination = output.destination(many, logging)
    batch = batch_options(paths, many, force=output.force)
    batch.check()
    task = _task(model, inputs.options, batch, destination)
    raise typer.Exit(_run(task, batch, destination))


def _task(
    given: EmbedModelOptions, clip: "EmbedOptions", batch: "BatchOptions", destination: "EmbeddingOutput"
) -> "Embedding | EmbeddingByType":
    """The task with the model that is given, that of the data set, or the backbone for the type of sound."""
    from audiocnn_cli.embeddings.choice import model_of_set
    from audiocnn_cli.embeddings.work import Embedding

    recorded = None
    if destination.dataset is not None and not batch.force:
        from audiocnn_cli.datasets.embedding_set import recorded_info

        location = destination.dataset.location
        recorded = recorded_info(location)
        if recorded is not None and not batch.resume and batch.shard is None:
            raise OutputError(
                f"{location}: holds a data set already, of the model {recorded.model}; add `resume=True` to"
                " go on with it, or `force=True`"
            )
    if recorded is not None:
        path = model_of_set(recorded, location, given.model, otherwise=_OTHERWISE).path
    elif given.model is not None:
        from audiocnn_cli.models.registry import find_model

        path = find_model(given.model).path
    else:
        return _default_task(given.provider, clip, batch)
    return Embedding(model=path, provider=given.provider, options=clip)


def _default_task(
    provider: str, clip: "EmbedOptions", batch: "BatchOptions"
) -> "Embedding | EmbeddingByType":
    from dataclasses import replace

    from audiocnn_cli.batch.run import Workers
    from audiocnn_cli.classify.gate import GATE_MODEL
    from audiocnn_cli.embeddings.choice import BACKBONES, choose_backbone, find_bundled
    from audiocnn_cli.embeddings.work import Embedding, EmbeddingByType
    from audiocnn_cli.output.terminal.console import log

    paths = batch.paths or []
    if paths == [STDIN]:
        models = tuple(find_bundled(name).path for name in BACKBONES.values())
        gate = find_bundled(GATE_MODEL).path
        return EmbeddingByType(models=models, gate=gate, provider=provider, options=clip)
    if {STDIN, f"@{STDIN}"} & set(paths):
        raise UsageError("standard input is read once, and the type of sound needs it too: give `model`")
    workers = Workers(jobs=batch.jobs, timeout_s=batch.timeout, cluster=batch.cluster, isolated=True)
    # All jobs of an array choose by the same recordings.
    choice = choose_backbone(replace(batch, shard=None).inputs(), excerpt=clip.excerpt, workers=workers)
    mixed = len(choice.types) > 1
    (log.info if mixed else log.debug)("model %s (%s)", choice.model.name, choice.reason)
    return Embedding(model=choice.model.path, provider=provider, options=clip)


def _run(
    task: "Embedding | EmbeddingByType", batch: "BatchOptions", destination: "EmbeddingOutput"
) -> ExitCode:
    from audiocnn_cli.batch.task import Task
    from audiocnn_cli.commands.batch import Job, run_job
    from audiocnn_cli.datasets.result_folder import IntoFolder
    from audiocnn_cli.embeddings.clip import ClipEmbeddings
    from audiocnn_cli.embeddings.work import EmbeddingCodec
    from audiocnn_cli.output.tensors.embeddings import VectorFiles

    work: Task[ClipEmbeddings] = task
    files = None
    dataset = destination.dataset
    if destination.folder is not None:
        files, format = destination.folder
        work = IntoFolder(task, files, VectorFiles(format).write)
    job = Job(
        command="embed",
        task=work,
        recipe=task,
        options={
            "format": files.suffix if files else None,
            # Where `audiocnn merge` finds them.
            "vectors": "journal" if dataset is None else "data set",
            **(dataset.layout if dataset else {}),
        },
        codec=EmbeddingCodec(),
        audio_s=lambda clip: clip.duration_s,
        in_order=destination.in_order,
        files=files,
        dataset=dataset,
    )
    return run_job(job, batch, destination.write)
