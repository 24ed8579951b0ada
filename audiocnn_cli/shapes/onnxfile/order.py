"""Free sizes compared, and computed for given symbols."""

from collections.abc import Callable, Mapping

from audiocnn_cli.shapes.onnxfile.free import Atom, Dim, Free, divided, kept, operation


def smaller(first: Dim, second: Dim) -> Dim:
    """The minimum."""
    return _extreme("min", first, second, min)


def larger(first: Dim, second: Dim) -> Dim:
    """The maximum."""
    return _extreme("max", first, second, max)


def _extreme(kind: str, first: Dim, second: Dim, of_ints: Callable[[int, int], int]) -> Dim:
    if isinstance(first, int) and isinstance(second, int):
        return of_ints(first, second)
    if first == second:
        return first
    for low, high in ((first, second), (second, first)):
        if is_at_least(high, low):
            return low if kind == "min" else high
    return operation(kind, *sorted((first, second), key=str))


def is_at_least(size: Dim, other: Dim) -> bool:
    """Whether `size` is at least `other` for all sizes of at least 1; False also where it is not known."""
    difference = _without_quotients(size - other)
    least = difference if isinstance(difference, int) else difference.least
    return least is not None and least >= 0


def _without_quotients(size: Dim) -> Dim:
    """A lower bound of a multiple of `size`, where a quotient is subtracted: it is at most its numerator."""
    for product, factor in () if isinstance(size, int) else size.terms.items():
        atom = product[0] if len(product) == 1 else ""
        if factor < 0 and isinstance(atom, tuple) and atom[0] == "/" and isinstance(atom[2], int):
            rest = size - Free({product: factor}, 1)
            return _without_quotients(rest * atom[2] + atom[1] * factor)
    return size


@kept
def of_one(size: Dim, name: str) -> Dim:
    """`size`, with 1 for the symbol `name`."""
    return evaluated(size, {name: 1})


def evaluated(size: Dim, values: Mapping[str, int]) -> Dim:
    """`size`, with numbers for the symbols that have one in `values`."""
    if isinstance(size, int):
        return size
    total: Dim = 0
    for product, factor in size.terms.items():
        term: Dim = factor
        for atom in product:
            term = term * _evaluated(atom, values)
        total = total + term
    return total


def _evaluated(atom: Atom, values: Mapping[str, int]) -> Dim:
    if isinstance(atom, str):
        return values.get(atom, Free({(atom,): 1}, 0))
    kind, first, second = atom
    a, b = evaluated(first, values), evaluated(second, values)
    if kind == "/":
        return divided(a, b)
    return smaller(a, b) if kind == "min" else larger(a, b)
