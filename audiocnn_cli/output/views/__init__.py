"""One module for each kind of result: its table, its JSON document and its CSV rows."""

from typing import Any


def pick(result: object, *names: str) -> dict[str, Any]:
    """These attributes of a result as keys of its document; tuples become lists."""
    values = {name: getattr(result, name) for name in names}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
