"""Free sizes: whole numbers that are unknown until a model runs, as sums of products of symbols.

A size is an int or a `Free`. Arithmetic is exact, with one assumption: every symbol is at least 1.
Divisions round down. Two sizes that are equal for all values of their symbols may still compare unequal,
never the reverse.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import count
from math import prod
from typing import Any, TypeAlias

# A symbol ("T"), or an operation on sizes: ("/", numerator, denominator), ("min" or "max", first, second).
Atom: TypeAlias = str | tuple[str, "Dim", "Dim"]
Product: TypeAlias = tuple[Atom, ...]

_MOST_TERMS = 12
_DEEPEST = 6
_LIMIT = 1 << 63
_UNNAMED = "?"
_numbers = count(1)


class Free:
    """A size that depends on symbols: the sum of `terms`, products of atoms with their factors."""

    __slots__ = ("_hash", "depth", "terms")

    def __init__(self, terms: Mapping[Product, int], depth: int) -> None:
        self.terms = dict(terms)
        self.depth = depth
        self._hash = hash(frozenset(self.terms.items()))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Free) and self._hash == other._hash and self.terms == other.terms

    def __add__(self, other: "Dim") -> "Dim":
        return _sum(self, other)

    def __sub__(self, other: "Dim") -> "Dim":
        return self + other * -1

    def __mul__(self, other: "Dim") -> "Dim":
        return _product(self, other)

    def __floordiv__(self, other: "Dim") -> "Dim":
        return divided(self, other)

    def __rsub__(self, other: int) -> "Dim":
        return self * -1 + other

    def __rfloordiv__(self, other: int) -> "Dim":
        return divided(other, self)

    def __mod__(self, other: "Dim") -> "Dim":
        return self - divided(self, other) * other

    __radd__ = __add__
    __rmul__ = __mul__

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return _text(self)

    def _shown(self) -> str:
        if self.is_unnamed:
            return _UNNAMED
        parts = []
        for product, factor in sorted(self.terms.items(), key=lambda term: (not term[0], term[1] < 0)):
            number = str(abs(factor)) if abs(factor) != 1 or not product else ""
            alone = len(product) == 1 and not number
            names = "*".join(_show(atom, alone=alone) for atom in product)
            parts.append(("-" if factor < 0 else "+") + "*".join(filter(None, (number, names))))
        return "".join(parts).removeprefix("+")

    @property
    def is_unnamed(self) -> bool:
        """Whether a symbol of it has no name in the file."""
        return any(name.startswith(_UNNAMED) for name in symbols(self))

    @property
    def least(self) -> int | None:
        """A lower bound; None where there is none."""
        total = self.terms.get((), 0)
        for product, factor in ((each, by) for each, by in self.terms.items() if each):
            least = _least(product)
            if factor < 0 or least is None:
                return None
            total += factor * least
        return total


Dim: TypeAlias = int | Free
Dims: TypeAlias = tuple[Dim, ...]


# A network has few different sizes, and many operators of each: results are kept.
kept = lru_cache(maxsize=1 << 14)


@kept
def _sum(first: Free, second: Dim) -> Dim:
    terms = dict(first.terms)
    for product, factor in _terms(second).items():
        terms[product] = terms.get(product, 0) + factor
    return _size(terms)


@kept
def _product(first: Free, second: Dim) -> Dim:
    terms: dict[Product, int] = {}
    for product, factor in first.terms.items():
        for product2, factor2 in _terms(second).items():
            both = tuple(sorted(product + product2, key=_order))
            terms[both] = terms.get(both, 0) + factor * factor2
    return _size(terms)


@kept
def _text(size: Free) -> str:
    return size._shown()


def symbol(name: str) -> Free:
    """The size called `name`."""
    return Free({(name,): 1}, 0)


def unnamed() -> Free:
    """A size of which nothing is known, different from all others."""
    return symbol(f"{_UNNAMED}{next(_numbers)}")


def symbols(size: Dim) -> Iterator[str]:
    """The names of the symbols in `size`, possibly repeated."""
    if isinstance(size, int):
        return
    for product in size.terms:
        for atom in product:
            if isinstance(atom, str):
                yield atom
            else:
                yield from symbols(atom[1])
                yield from symbols(atom[2])


@kept
def divided(first: Dim, second: Dim) -> Dim:
    """`first` / `second`, rounded down."""
    if isinstance(first, int) and isinstance(second, int):
        return first // second if second else unnamed()
    if first == second:
        return 1
    if second in {0, 1}:
        return first if second else unnamed()
    if isinstance(second, Free):
        return _by_free(first, second)
    assert isinstance(first, Free)  # noqa: S101 (two ints are handled above)
    # Terms that `second` divides, and whole multiples of it, stand outside of the fraction.
    outside = {p: f // second for p, f in first.terms.items() if p and f % second == 0}
    inside = {p: f for p, f in first.terms.items() if p and f % second}
    whole, rest = divmod(first.terms.get((), 0), second)
    outside[()] = whole
    inside[()] = rest
    numerator = _size(inside)
    if isinstance(numerator, int):
        return _size(outside)
    nested = _nested(numerator, second)
    fraction: Dim = operation("/", numerator, second) if nested is None else nested
    return fraction + _size(outside)


def _nested(numerator: Free, denominator: int) -> Dim | None:
    """(x/a + b)/c as (x + a*b)/(a*c); None for other numerators."""
    terms = {p: f for p, f in numerator.terms.items() if p}
    (product, factor), *others = terms.items()
    atom = product[0]
    if others or factor != 1 or len(product) != 1 or isinstance(atom, str) or atom[0] != "/":
        return None
    if not isinstance(atom[2], int):
        return None
    return divided(atom[1] + numerator.terms.get((), 0) * atom[2], atom[2] * denominator)


def _by_free(first: Dim, second: Free) -> Dim:
    """A quotient by a product, exact where it divides every term."""
    if len(second.terms) == 1 and isinstance(first, Free):
        ((product, factor),) = second.terms.items()
        terms: dict[Product, int] = {}
        for theirs, number in first.terms.items():
            left = _without(theirs, product)
            if left is None or number % factor:
                return operation("/", first, second)
            terms[left] = number // factor
        return _size(terms)
    return operation("/", first, second)


def _without(product: Product, divisor: Product) -> Product | None:
    rest = list(product)
    for atom in divisor:
        if atom not in rest:
            return None
        rest.remove(atom)
    return tuple(rest)


def product_of(sizes: Any) -> Dim:
    """The product of sizes; 1 for none."""
    known = list(sizes)
    total: Dim = prod(size for size in known if isinstance(size, int))
    for size in known if total else ():
        if not isinstance(size, int):
            total = total * size
    return total


def shown(sizes: Dims) -> tuple[int | str, ...]:
    """Sizes as results have them: numbers, and free ones as text ("T", "(T+1)/2", "?")."""
    return tuple(size if isinstance(size, int) else str(size) for size in sizes)


def _size(terms: Mapping[Product, int]) -> Dim:
    """The size of these terms: an int where no symbol is left, unnamed where it is too long to be of use."""
    kept = {product: factor for product, factor in terms.items() if factor}
    if not kept or kept.keys() == {()}:
        return kept.get((), 0)
    depth = max(_depth(atom) for product in kept for atom in product) if any(kept) else 0
    longest = max(len(kept), *map(len, kept))
    if longest > _MOST_TERMS or depth > _DEEPEST or any(abs(factor) >= _LIMIT for factor in kept.values()):
        return unnamed()
    return Free(kept, depth)


def operation(kind: str, first: Dim, second: Dim) -> Dim:
    """An operation as an atom of its own: "/", "min" or "max"."""
    return _size({((kind, first, second),): 1})


def _terms(size: Dim) -> Mapping[Product, int]:
    return {(): int(size)} if isinstance(size, int) else size.terms


def _depth(atom: Atom) -> int:
    if isinstance(atom, str):
        return 0
    return 1 + max(0 if isinstance(size, int) else size.depth for size in atom[1:])


def _order(atom: Atom) -> str:
    return atom if isinstance(atom, str) else repr(atom)


def _least(product: Product) -> int | None:
    """A lower bound of a product of atoms; None where there is none."""
    bounds = [_least_of(atom) for atom in product]
    if len(bounds) == 1:
        return bounds[0]
    if any(bound is None or bound < 0 for bound in bounds):
        return None  # the product of two sizes below 0 is above 0
    return prod(bound for bound in bounds if bound is not None)


def _least_of(atom: Atom) -> int | None:
    """A lower bound of one atom; None where there is none."""
    if isinstance(atom, str):
        return 1
    kind, first, second = atom
    low, other = (size if isinstance(size, int) else size.least for size in (first, second))
    if kind == "/":
        if low is not None and isinstance(second, int) and second > 0:
            return low // second
        return 0 if low is not None and low >= 0 and other is not None and other >= 1 else None
    known = [bound for bound in (low, other) if bound is not None]
    if kind == "max":
        return max(known, default=None)
    return min(known) if known[1:] else None


def _show(atom: Atom, *, alone: bool) -> str:
    """An atom as text; a quotient is rounded before it is multiplied, so it has brackets in a product."""
    if isinstance(atom, str):
        return atom
    kind, first, second = atom
    if kind != "/":
        return f"{kind}({first}, {second})"
    text = f"{_bracketed(first)}/{_bracketed(second)}"
    return text if alone else f"({text})"


def _bracketed(size: Dim) -> str:
    text = str(size)
    return f"({text})" if any(mark in text for mark in "+-*/ ") else text
