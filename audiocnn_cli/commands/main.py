"""The command `audiocnn`: its sub-commands, and the one place where an error becomes an exit code."""

import os
import sys

import typer

from audiocnn_cli.commands import features, shapes
from audiocnn_cli.commands.options import Version
from audiocnn_cli.errors import AudiocnnError, ExitCode
from audiocnn_cli.output.console import print_error

app = typer.Typer(
    name="audiocnn",
    help="From a waveform to a label, with every tensor on the way explained.",
    no_args_is_help=True,
    # Plain help text: Rich's would make `--help` take twice as long.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command(epilog=features.EXAMPLES)(features.features)
app.command(epilog=shapes.EXAMPLES)(shapes.shapes)


@app.callback()
def _root(version: Version = False) -> None:
    """From a waveform to a label, with every tensor on the way explained."""


def main() -> None:
    """Run the command line; an expected failure is one sentence on stderr and the contract's exit code."""
    # Files are the unit of parallel work here; BLAS threads under them only get in each other's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        # A file name may hold bytes that no encoding has: print it escaped instead of failing.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # both are TextIOWrapper
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except AudiocnnError as error:
        print_error(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader has what it wanted (`| head`); nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.DONE)
    except OSError as error:
        print_error(f"writing the results failed: {error.strerror or error}")
        sys.exit(ExitCode.NOTHING_DONE)
