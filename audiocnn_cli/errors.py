"""One error root: every expected failure is one sentence, a kind and an exit code.

A message names the input, the cause and the way out. Anything that is not an `AudiocnnError` (or an
`OSError` on the way out) is a bug and ends in a traceback.
"""

from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Self


class ExitCode(IntEnum):
    """How the process ends; `docs/exit-codes.md` lists the same six."""

    DONE = 0
    SOME_FAILED = 1
    USAGE = 2
    NOTHING_DONE = 3
    MODEL_REFUSED = 4
    INTERRUPTED = 130


class FailureKind(StrEnum):
    """Why one input among many could not be used."""

    NOT_FOUND = "not_found"
    PERMISSION = "permission"
    NOT_AUDIO = "not_audio"
    CORRUPT = "corrupt"
    EMPTY = "empty"
    TOO_SHORT = "too_short"
    NON_FINITE = "non_finite"
    TOO_LARGE = "too_large"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


class AudiocnnError(Exception):
    """The root of all expected failures. `str(error)` is one sentence for the person at the shell."""

    exit_code: ClassVar[ExitCode] = ExitCode.NOTHING_DONE

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes send their errors home: restored as they are, not made again from arguments.
        return type(self)._restored, (self.args, self.__dict__)

    @classmethod
    def _restored(cls, args: tuple[Any, ...], state: dict[str, Any]) -> Self:
        error = cls.__new__(cls)
        error.args = args
        error.__dict__.update(state)
        return error


class UsageError(AudiocnnError):
    """The command line, or a value given through the Python API, makes no sense."""

    exit_code = ExitCode.USAGE


class SignalError(AudiocnnError):
    """A signal can't be used, whatever file it came from: `kind` and one sentence."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class InputError(SignalError):
    """One input can't be used; in a batch the others go on.

    `path` is the input as the user named it, `message` the sentence without the path.
    """

    def __init__(self, path: str, kind: FailureKind, message: str) -> None:
        super().__init__(kind, message)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ImpossibleShapeError(AudiocnnError):
    """A stack of layers can't be built on its input; the message names the layer and the axis.

    From `audiocnn_cli.shapes` it has the layers before that one as `stack`, and what would help as `fixes`.
    """

    exit_code = ExitCode.SOME_FAILED
    stack: Any = None
    fixes: tuple[str, ...] = ()


class OutputError(AudiocnnError):
    """A result can't be written to its destination."""


class ModelRefusedError(AudiocnnError):
    """A model file does not hold what it must; the sentence names the field."""

    exit_code = ExitCode.MODEL_REFUSED


class MissingExtraError(AudiocnnError):
    """An optional package is not installed; the message names the extra and the command that installs it."""

    def __init__(self, what: str, extra: str, command: str | None = None) -> None:
        command = command or f"pip install 'audiocnn-cli[{extra}]'"
        super().__init__(f"{what} needs the [{extra}] extra: {command}")
