"""A JSON object as the line that it is written as."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


def encode(document: Mapping[str, Any]) -> str:
    """One line of JSON, without its end."""
    return document.line if isinstance(document, Encoded) else json.dumps(document, allow_nan=False)


@dataclass(frozen=True)
class Encoded(Mapping[str, Any]):
    """A mapping that travels as its line: workers write it, and whoever only prints it need not read it."""

    line: str

    def __getitem__(self, key: str) -> Any:
        return self._document[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)

    @cached_property
    def _document(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.line)
        return decoded
