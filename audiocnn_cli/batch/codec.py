"""Results that are dataclasses, as values that JSON knows."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class DataclassCodec(Generic[R]):
    """Packs a dataclass whose fields are numbers, strings, enums, and tuples and dataclasses of them."""

    type: type[R]

    def pack(self, result: R) -> Any:
        """The result as values that JSON knows."""
        import msgspec

        return msgspec.to_builtins(result)

    def unpack(self, values: Any) -> R:
        """The result again."""
        import msgspec

        return msgspec.convert(values, self.type)
