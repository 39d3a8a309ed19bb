"""Named tuples are those of the standard library, but for what their classes cost."""

import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from silvaengine.named_tuple import NamedTuple


class Pair(NamedTuple):
    """Two values."""

    first: int
    second: str = "b"


class Named(Pair):
    """One with more than its fields."""

    other: int = 3


@pytest.mark.parametrize(
    "made", [Pair(1), Pair(1, "b"), Pair(second="b", first=1), Pair(0)._replace(first=1)]
)
def test_values_are_given_by_position_and_by_name(made: Pair) -> None:
    """It is the tuple of them, also as a copy and pickled."""
    first, second = made
    assert (first, second) == (made.first, made.second) == made == (1, "b")
    assert repr(made) == "Pair(first=1, second='b')"
    assert made._asdict() == {"first": 1, "second": "b"}
    for copy in (deepcopy(made), pickle.loads(pickle.dumps(made))):  # noqa: S301 - its own
        assert type(copy) is Pair
        assert copy == made


@pytest.mark.parametrize(
    "make",
    [
        lambda of: of(),
        lambda of: of(1, "b", 2),
        lambda of: of(1, first=1),
        lambda of: of(1, third=1),
        lambda of: of(1)._replace(third=1),
    ],
)
def test_other_values_than_those_of_its_fields_are_refused(make: Callable[[Any], Any]) -> None:
    """A missing one, too."""
    with pytest.raises(TypeError, match="Pair has the fields first, second"):
        make(Pair)


def test_nothing_can_be_set() -> None:
    """Neither a field nor anything else."""
    for name in ("first", "third"):
        with pytest.raises(AttributeError):
            setattr(Pair(1), name, 2)


def test_a_subclass_has_the_same_fields() -> None:
    """Its annotations are those of a class."""
    assert Named(1)._fields == ("first", "second")
    assert Named(1).other == 3


def test_its_fields_can_be_matched_by_position() -> None:
    """As in ``case Pair(first, second)``."""
    match Pair(1):
        case Pair(first, second):
            assert (first, second) == (1, "b")
