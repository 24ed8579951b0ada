"""The named architectures: name, aliases, parameters and source, as a table, JSON and CSV."""

from collections.abc import Sequence
from typing import Any

from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import dump, write_rows
from audiocnn_cli.output.terminal.console import console
from audiocnn_cli.output.views.text_table import Column, Row, print_markdown_table, print_table, print_wrapped
from audiocnn_cli.shapes.listing import ListedArchitecture
from audiocnn_cli.shapes.sizes import show_shape, type_sizes

_HEADER = ("name", "input", "params", "what it is", "aliases")
_COLUMNS = (Column("name", style="bold"), Column("input", style="cyan"), Column("params", right=True))


def write_architectures(listed: Sequence[ListedArchitecture], destination: Destination) -> None:
    """Write the architectures in the format of `destination`."""
    documents = [_document(each) for each in listed]
    with destination.open() as stream:
        if destination.format is Format.JSON:
            dump({"architectures": documents}, stream)
        elif destination.format is Format.JSONL:
            for each in documents:
                dump(each, stream, indent=None)
        elif destination.format is Format.CSV:
            rows = [
                each | {"aliases": " ".join(each["aliases"]), "input": type_sizes(each["input"])}
                for each in documents
            ]
            write_rows(rows, stream, header=list(rows[0]))
        elif destination.format is Format.MARKDOWN:
            cells = [[*_cells(each), each.title, ", ".join(each.aliases)] for each in listed]
            print_markdown_table(stream, _HEADER, cells, right={"params"})
        else:
            out = console(stream)
            print_table(out, list(_COLUMNS), [Row(_cells(each), _details(each)) for each in listed])
            print_wrapped(out, "audiocnn shapes --arch NAME prints the layers and the source", style="dim")


def _cells(each: ListedArchitecture) -> list[str]:
    return [each.name, show_shape(each.input_shape), f"{each.params:,}"]


def _details(each: ListedArchitecture) -> list[str]:
    """What the architecture is, and its other names."""
    return [each.title, *([f"also: {', '.join(each.aliases)}"] if each.aliases else [])]


def _document(each: ListedArchitecture) -> dict[str, Any]:
    return {
        "name": each.name,
        "aliases": list(each.aliases),
        "title": each.title,
        "input": each.input_shape,
        "framework": each.framework,
        "params": each.params,
        "source": each.source,
    }
