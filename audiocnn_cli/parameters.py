"""Names of parameters in messages: Python's on one side, flags of the command line on the other.

Below `commands/` a message names a parameter in backquotes, `hop_length` or `center=False`, since the same
message reaches users of the Python API. The command line registers the flags of the running command, and
whatever prints a message there passes it through `with_flags`.
"""

import re
from collections.abc import Mapping

_PARAMETER = re.compile(r"`([a-z][a-z_0-9]*)(?:=([^`]*))?`")
_flags: dict[str, tuple[str, str]] = {}


def use_flags(flags: Mapping[str, tuple[str, str]]) -> None:
    """Register the flags of a command: parameter name to (flag, flag that negates it or "")."""
    _flags.clear()
    _flags.update(flags)


def with_flags(message: str) -> str:
    """`message` with each parameter that has a flag replaced by the flag; unchanged where none is registered.

    `force=True` becomes --force, `center=False` --no-center, `layout=NT` --layout NT.
    """
    return _PARAMETER.sub(_flag, message) if _flags else message


def _flag(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    if name not in _flags:
        return match[0]
    flag, negative = _flags[name]
    if value is None or value == "True":
        return flag
    if value == "False" and negative:
        return negative
    return f"{flag} {value}"
