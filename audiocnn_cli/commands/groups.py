"""Groups of options: a dataclass for each heading in the help of a command.

A command is a function whose parameters are such dataclasses (or plain Typer parameters):

    @option_group
    class Logging:
        heading: ClassVar[str] = "Logging"
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help="...")] = False

    def features(paths: Inputs = None, *, logging: Logging) -> None: ...

`flattened` turns it into what Typer reads: each field is an option under the heading of its group, and the
function gets the dataclasses. `GroupedCommand` prints the headings in plain text.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Annotated, Any, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

from typer.core import TyperCommand
from typer.models import OptionInfo

T = TypeVar("T")
_OPTIONS = "Options"


@dataclass_transform(kw_only_default=True)
def option_group(cls: type[T]) -> type[T]:
    """`cls` as a dataclass; a frozen one, with comparison, takes three times as long to define."""
    return dataclass(kw_only=True, eq=False, repr=False)(cls)


def flattened(function: Callable[..., None]) -> Callable[..., None]:
    """`function` with a parameter for each field of the dataclasses that its parameters are.

    Raises:
        TypeError: two groups have a field of the same name.
    """
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in groups:
            parameters += _options_of(hints[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name]))
    names = [parameter.name for parameter in parameters]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise TypeError(f"{function.__name__}: several groups have the option {', '.join(twice)}")

    def command(**values: Any) -> None:
        given = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        function(**values, **given)

    command.__name__ = function.__name__
    command.__doc__ = function.__doc__
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect
    return command


def _options_of(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=_under(group.heading, hints[field.name]),
        )


def _default(field: "Field[Any]") -> Any:
    if field.default is not MISSING:
        return field.default
    return inspect.Parameter.empty if field.default_factory is MISSING else field.default_factory()


def _under(heading: str, hint: Any) -> Any:
    """An annotated type whose option is listed under `heading`."""
    if get_origin(hint) is not Annotated:
        return hint
    type_, *notes = get_args(hint)
    placed = [copy(note) for note in notes]
    for note in placed:
        if isinstance(note, OptionInfo):
            note.rich_help_panel = heading
    return Annotated[(type_, *placed)]


class GroupedCommand(TyperCommand):
    """A command whose help lists its options under the headings of their groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group in the order of its first option."""
        arguments: list[tuple[str, str]] = []
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                arguments.append(record)
                continue
            last = next(reversed(groups), _OPTIONS)  # of --help, which has no group
            heading = getattr(parameter, "rich_help_panel", None) or last
            flags, text = record
            # Typer puts a default that is text in parentheses.
            text = re.sub(r"\[default: \((.*?)\)(; |\])", r"[default: \1\2", text)
            groups.setdefault(heading, []).append((flags, text))
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)
