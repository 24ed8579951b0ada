"""The command `audiocnn`: its sub-commands, and the one place where an error becomes an exit code."""

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from audiocnn_cli.commands.groups import GroupedCommand, flattened
from audiocnn_cli.commands.options import Version
from audiocnn_cli.errors import AudiocnnError, ExitCode
from audiocnn_cli.output.terminal.console import print_error
from audiocnn_cli.parameters import use_flags

# Each is a module of this package with a function of its name and EXAMPLES, or with an app of its own.
COMMANDS = ("features", "shapes", "classify", "embed", "search", "models", "train", "evaluate", "merge")


def build_app(commands: Sequence[str] = COMMANDS) -> typer.Typer:
    """The command line with these sub-commands; only their modules are imported."""
    app = typer.Typer(
        name="audiocnn",
        help="From a waveform to a label, with every tensor on the way explained.",
        no_args_is_help=True,
        # Plain help text: Rich's would make `--help` take twice as long.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_root)
    for name in commands:
        module = importlib.import_module(f"audiocnn_cli.commands.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            command = flattened(getattr(module, name))
            app.command(name, cls=GroupedCommand, epilog=module.EXAMPLES)(command)
    return app


def _root(version: Version = False) -> None:
    """From a waveform to a label, with every tensor on the way explained."""


def main() -> None:
    """Run the command line; an expected failure is one sentence on stderr and the contract's exit code."""
    # Imports make many objects and no garbage: with the default of 700 collecting takes 10 ms of a start.
    gc.set_threshold(10_000, 20, 20)
    # Files are the unit of parallel work here; BLAS threads under them only get in each other's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        # A file name may hold bytes that no encoding has: print it escaped instead of failing.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # both are TextIOWrapper
    try:
        try:
            app = typer.main.get_command(build_app(_requested(sys.argv[1:])))
            use_flags(_flags_of(app, sys.argv[1:]))
            code = app(standalone_mode=False)
        finally:
            sys.stdout.flush()
    except typer.TyperException as error:
        _explain_usage(error)
        code = ExitCode.USAGE
    except AudiocnnError as error:
        print_error(str(error))
        code = error.exit_code
    except BrokenPipeError:
        # The reader has what it wanted (`| head`); nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.SOME_FAILED
    except OSError as error:
        print_error(f"writing the results failed: {error.strerror or error}")
        code = ExitCode.NOTHING_DONE
    if code == ExitCode.INTERRUPTED:
        print_error("interrupted")
    sys.exit(code)


def _flags_of(command: Any, arguments: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The flags of the sub-command that `arguments` begin with, as `parameters.use_flags` takes them."""
    for name in arguments:
        if name not in getattr(command, "commands", ()):
            break
        command = command.commands[name]
    return {
        option.name: (max(option.opts, key=len), max(option.secondary_opts, key=len, default=""))
        for option in command.params
        if option.param_type_name == "option"
    }


def _requested(arguments: Sequence[str]) -> Sequence[str]:
    """The one sub-command that the command line begins with, else all of them."""
    return arguments[:1] if arguments[:1] and arguments[0] in COMMANDS else COMMANDS


def _explain_usage(error: typer.TyperException) -> None:
    """One sentence of what is wrong with the command line; the help itself where no command is given."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is None or message == context.get_help():
        typer.echo(message, err=True)
    else:
        print_error(f"{message.rstrip('.')}; see {context.command_path} --help")
