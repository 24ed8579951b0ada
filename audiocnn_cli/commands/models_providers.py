"""`audiocnn models providers`: where ONNX Runtime can run a model."""

from audiocnn_cli.commands import options
from audiocnn_cli.output.destination import choose_destination
from audiocnn_cli.output.results import write_result
from audiocnn_cli.output.terminal.console import set_up_logging

EXAMPLES = """\b
Examples:
  audiocnn models providers
  audiocnn models providers --json
"""


def providers(
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.Output = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """List the execution providers of ONNX Runtime, for `classify --provider`; those that are here first."""
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
    from audiocnn_cli.models.runtime import providers as known
    from audiocnn_cli.output.views.models import ProvidersView

    write_result(known(), ProvidersView(), destination)
