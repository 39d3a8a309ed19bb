"""Whether two values of a row are one, as DynamoDB sees it."""

from decimal import Decimal


def same(left: object, right: object) -> bool:
    """Return whether JSON values are equal; unlike for ``==``, true and 1 are not."""
    match left, right:
        case dict(), dict():
            return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
        case list() | tuple(), list() | tuple():
            return len(left) == len(right) and all(map(same, left, right))
        case (bool(), _) | (_, bool()):
            return left is right
        case (int() | Decimal(), int() | Decimal()):
            return left == right
        case _:
            return type(left) is type(right) and bool(left == right)
