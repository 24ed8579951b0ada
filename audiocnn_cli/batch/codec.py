"""Results and configurations as values that JSON represents."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

R = TypeVar("R")

Values = dict[str, str | int | float | bool | None]


class Codec(Protocol[R]):
    """Converts a result for the journal, and back."""

    def pack(self, result: R) -> Any:
        """The result as values that JSON represents."""

    def unpack(self, values: Any) -> R:
        """The result that `pack` was given."""


@dataclass(frozen=True, slots=True)
class DataclassCodec(Generic[R]):
    """Packs a dataclass whose fields are numbers, strings, enums, and tuples and dataclasses of them."""

    type: type[R]

    def pack(self, result: R) -> Any:
        """The result as values that JSON represents."""
        import msgspec

        return msgspec.to_builtins(result)

    def unpack(self, values: Any) -> R:
        """The result that `pack` was given."""
        import msgspec

        return msgspec.convert(values, self.type)


def configuration(recipe: object) -> Values:
    """The fields of a dataclass and of those in it, by dotted names; a file counts by its content."""
    return dict(_flat("", recipe))


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    prefix = f"{name}." if name else ""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _flat(prefix + field.name, getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _flat(f"{prefix}{index}", item)
    elif isinstance(value, Path) and value.is_file():
        import hashlib

        with value.open("rb") as stream:
            yield name, f"{value.name} ({hashlib.file_digest(stream, 'sha256').hexdigest()[:16]})"
    elif isinstance(value, Enum):
        yield name, value.value
    else:
        plain = value is None or isinstance(value, str | int | float | bool)
        yield name, value if plain else str(value)
