"""`audiocnn search`: the segments of a set that are most similar to a recording."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.classify_options import complete_provider
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import option

if TYPE_CHECKING:
    from audiocnn_cli.batch.outcome import Failure
    from audiocnn_cli.datasets.embedding_set import EmbeddingSet
    from audiocnn_cli.embeddings.search import Query, SearchOptions
    from audiocnn_cli.embeddings.work import Querying
    from audiocnn_cli.output.views.search import SearchResult

EXAMPLES = """\b
Examples:
  audiocnn search rooster.wav --in set/
  audiocnn search rooster/*.ogg --in set/ --top 5 --exclude-self
  audiocnn search song.wav --offset 60 --duration 5 --in set/ --one-per-recording
  audiocnn search song.wav --each-segment --in vectors.npz --threshold 0.8 --csv
  audiocnn embed recordings/ -o set/
"""


@option_group
class SearchingOptions:
    """The set, and which matches are listed."""

    heading: ClassVar[str] = "Search"
    location: Annotated[
        str,
        option(
            "What `audiocnn embed` has written: a data set, or a .parquet, .npz, .csv or .jsonl file.",
            "--in",
            default=False,
            metavar="SET",
        ),
    ]
    top: Annotated[int, option("Matches to list for each query.", min=1, metavar="K")] = 10
    threshold: Annotated[
        float | None,
        option("Leave out matches below this cosine similarity, -1 to 1.", default="none", metavar="SIM"),
    ] = None
    one_per_recording: Annotated[
        bool, option("List only the best match in each recording.", "--one-per-recording")
    ] = False
    exclude_self: Annotated[bool, option("Leave out matches in the file of the query.", "--exclude-self")] = (
        False
    )
    each_segment: Annotated[
        bool, option("A query for each segment, not one for the mean of a file.", "--each-segment")
    ] = False

    @property
    def options(self) -> "SearchOptions":
        """Which matches are kept.

        Raises:
            UsageError: a value is out of its range.
        """
        from audiocnn_cli.embeddings.search import SearchOptions

        return SearchOptions(
            top=self.top,
            threshold=self.threshold,
            one_per_recording=self.one_per_recording,
            exclude_self=self.exclude_self,
        )


@option_group
class QueryOptions:
    """The part of each query, and the model."""

    heading: ClassVar[str] = "Query"
    offset: Annotated[float | None, option("Start here.", default="0", metavar="SECONDS")] = None
    duration: Annotated[float | None, option("Read this much.", default="all", metavar="SECONDS")] = None
    model: Annotated[
        str | None,
        option(
            "The model of the set, where it is not installed under its name.",
            default="the set's",
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
    jobs: options.Jobs = None

    def task(self, found: "EmbeddingSet", *, each_segment: bool) -> "Querying":
        """The work on one query, with the model that has made the set.

        Raises:
            ModelRefusedError: that model is not installed, or the one that is given is another.
            UsageError: the set does not record its model, and none is given.
        """
        from audiocnn_cli.audio.load import Excerpt
        from audiocnn_cli.embeddings.choice import model_of_set
        from audiocnn_cli.embeddings.clip import EmbedOptions
        from audiocnn_cli.embeddings.work import Embedding, Querying

        model = model_of_set(found.info, found.location, self.model)
        # A query is pooled as the clips of the set are.
        pool = found.info.pool if found.info and not each_segment else None
        clip = EmbedOptions(pool=pool, excerpt=Excerpt(self.offset or 0.0, self.duration))
        return Querying(Embedding(model=model.path, provider=self.provider, options=clip), each_segment)


def search(
    queries: Annotated[
        list[str],
        typer.Argument(metavar="QUERY...", help="Files, folders, glob patterns, URLs, '-' or @list.txt."),
    ],
    *,
    searching: SearchingOptions,
    query: QueryOptions,
    report: options.Report,
    logging: options.Logging,
) -> None:
    """List the segments of a set that are most similar to a recording.

    Segments are compared by the cosine of their vectors, all of them. A query is embedded with the model of
    the set; one longer than a segment is the mean of its segments, each divided by its length. Silent
    segments match nothing. Matches with the same similarity are in the order of path and time.
    """
    logging.set_up()
    from audiocnn_cli.audio.sources import find_audio
    from audiocnn_cli.batch.run import Workers, run_batch
    from audiocnn_cli.datasets.embedding_set import open_set
    from audiocnn_cli.output.results import write_outcomes
    from audiocnn_cli.output.views.search import SearchView

    wanted = searching.options
    destination = report.destination(logging)
    found = open_set(searching.location)
    task = query.task(found, each_segment=searching.each_segment)
    outcomes = list(run_batch(find_audio(queries), task, workers=Workers(jobs=query.jobs)))
    results = list(_results(outcomes, found, wanted))
    raise typer.Exit(write_outcomes(results, SearchView(), destination).exit_code)


def _results(
    outcomes: "list[tuple[Query, ...] | Failure]", found: "EmbeddingSet", wanted: "SearchOptions"
) -> "Iterator[SearchResult | Failure]":
    """The matches of all queries, from one pass over the set, in the order of the inputs."""
    from audiocnn_cli.embeddings.search import search as search_blocks
    from audiocnn_cli.output.terminal.progress import counted, on_terminal
    from audiocnn_cli.output.views.search import SearchResult

    queries = [query for outcome in outcomes if isinstance(outcome, tuple) for query in outcome]
    if queries:
        found.require_dimensions(len(queries[0].vector))
    shown = on_terminal(streams_results=False)
    blocks = counted(found.blocks(), lambda block: len(block.codes), "vectors compared", on_terminal=shown)
    matches = iter(search_blocks(blocks, queries, wanted)) if queries else iter(())
    model = found.info.model if found.info else None
    for outcome in outcomes:
        if isinstance(outcome, tuple):
            for query in outcome:
                yield SearchResult(query, model, next(matches))
        else:
            yield outcome
