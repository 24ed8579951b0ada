"""How the matches of a search look as JSON, as CSV and in a table."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from audiocnn_cli.embeddings.search import Match, Query
from audiocnn_cli.output.results import Row


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A query, the model of the vectors (None: not recorded), and the matches, best first."""

    query: Query
    model: str | None
    matches: tuple[Match, ...]


class SearchView:
    """The view of `audiocnn search`."""

    def document(self, result: SearchResult) -> dict[str, Any]:
        """The query with its part of the recording, and its matches."""
        query = result.query
        span = {"start_s": query.start_s, "end_s": query.end_s}
        matches = [asdict(match) for match in result.matches]
        return {"query": query.path, **span, "model": result.model, "matches": matches}

    def rows(self, result: SearchResult) -> Iterator[Row]:
        """One row a match."""
        query = result.query
        first = {"query": query.path, "query_start_s": query.start_s, "query_end_s": query.end_s}
        for rank, match in enumerate(result.matches, start=1):
            found = asdict(match) | {"similarity": round(match.similarity, 6)}
            yield first | {"rank": rank} | found

    def table(self, results: Sequence[SearchResult]) -> Any:
        """For each query a heading, and a row a match."""
        from rich.console import Group  # Rich: not for JSON
        from rich.text import Text

        from audiocnn_cli.output.terminal.console import display

        shown: list[Any] = []
        for result in results:
            query = result.query
            heading = f"{display(query.path)}  {query.start_s:.2f} to {query.end_s:.2f} s"
            shown.append(Text(heading, "bold", overflow="ellipsis", no_wrap=True))
            shown.append(_matches(result) if result.matches else Text("  no match\n", "dim"))
        return Group(*shown)


def _matches(result: SearchResult) -> Any:
    from audiocnn_cli.output.terminal.console import display
    from audiocnn_cli.output.terminal.layout import Column, FittedTable

    matches = result.matches
    similarities = [f"{match.similarity:.3f}" for match in matches]
    return FittedTable(
        [
            Column(name="similarity", cells=similarities, justify="right", style="cyan"),
            Column(name="path", cells=[display(match.path) for match in matches], path=True),
            Column(name="from", cells=[f"{match.start_s:.2f} s" for match in matches], justify="right"),
            Column(name="to", cells=[f"{match.end_s:.2f} s" for match in matches], justify="right"),
        ]
    )
