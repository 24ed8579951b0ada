"""Arithmetic of the elements of small tensors: numbers, free sizes, and fractions of these."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from audiocnn_cli.shapes.onnxfile.free import Dim, Free


class UnknownError(Exception):
    """An element can't be computed."""


class Part:
    """A free size times a fraction, until it is rounded."""

    def __init__(self, size: Free, factor: Fraction) -> None:
        self.size, self.factor = size, factor

    def rounded(self, *, up: bool = False) -> Dim:
        """The size, rounded down, or up."""
        if self.factor.denominator > 1 << 20:
            raise UnknownError
        more = self.factor.denominator - 1 if up else 0
        return (self.size * self.factor.numerator + more) // self.factor.denominator


def whole(value: Any) -> Any:
    """A number that is added; a fraction of a free size can't be."""
    if isinstance(value, Part):
        raise UnknownError
    return value


def number(value: Any) -> Any:
    """A number that is known."""
    if isinstance(value, Free | Part):
        raise UnknownError
    return value


def times(first: Any, second: Any) -> Any:
    """A product."""
    if isinstance(second, Free):
        first, second = second, first
    if isinstance(first, Free) and isinstance(second, float):
        return part_of(first, Fraction(second))
    return whole(first) * whole(second)


def power(first: Any, second: Any) -> Any:
    """A power with a small exponent."""
    if abs(number(second)) > 64:
        raise UnknownError
    return number(first) ** second


def part_of(size: Free, factor: Fraction) -> Any:
    """A fraction of a free size."""
    return size * factor.numerator if factor.denominator == 1 else Part(size, factor)


def quotient(first: Any, second: Any) -> Any:
    """A quotient of floating point."""
    if isinstance(first, Free) and not isinstance(second, Free):
        return part_of(first, 1 / Fraction(number(second)))
    return number(first) / number(second)


def integer_quotient(first: Any, second: Any) -> Any:
    """A quotient of integers, rounded towards 0."""
    if isinstance(first, Free) or isinstance(second, Free):
        return first // second
    quotient = abs(first) // abs(second)
    return quotient if (first < 0) == (second < 0) else -quotient


def reduced(
    of_sizes: Callable[[Dim, Dim], Dim], of_numbers: Callable[..., Any], each: tuple[Any, ...]
) -> Any:
    """The extreme of several, by `of_sizes` where one is free."""
    if not any(isinstance(value, Free) for value in each):
        return of_numbers(*map(number, each)) if len(each) > 1 else each[0]
    found = each[0]
    for value in each[1:]:
        found = of_sizes(integer(found), integer(value))
    return found


def integer(value: Any) -> Dim:
    """A size that is a whole number."""
    if isinstance(value, Free):
        return value
    if int(number(value)) != value:
        raise UnknownError
    return int(value)
