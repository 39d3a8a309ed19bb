"""Numbers of JSON that aren't written as integers: JSON Schema's integers are all whole numbers."""

from decimal import Decimal
from math import isfinite

_LARGEST = 308  # decimal exponent of a whole number that is written as a fraction; IEEE 754's


def read_number(digits: str) -> int | Decimal:
    """Return a number exactly, a whole one as int; raises ArithmeticError beyond Decimal's exponents."""
    number, nearest = Decimal(digits), float(digits)
    # what is nearest to a fraction is one, too, but for those of 16 digits and more
    return number if isfinite(nearest) and not nearest.is_integer() else whole_number(number)


def whole_number(number: Decimal) -> int | Decimal:
    """Return a whole number as int, any other as it is."""
    if number.adjusted() <= _LARGEST and number == number.to_integral_value():
        return int(number)
    return number


def read_float(digits: str) -> float | Decimal:
    """Return what ``read_number`` returns, of a fraction what is nearest to it, for a third."""
    number = float(digits)
    return number if number % 1 > 0 else read_number(digits)


def read_fraction(digits: str) -> float:
    """Return what is nearest to a fraction; raises ValueError for what may be a whole number."""
    number = float(digits)
    if number % 1 > 0:
        return number
    raise ValueError
