"""What a typed function takes is what its schema says."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from silvaengine.errors import InvalidArgumentsError
from silvaengine.protocol.messages import Callee, WorkerCall
from silvaengine_worker.arguments import Parameters
from silvaengine_worker.typed.arguments import fit_typed_arguments
from silvaengine_worker.typed.schemas import describe_signature
from silvaengine_worker.typed.signature import Signature

from ...examples import examples
from .signatures import make_body, make_signature

FORMATS = Draft202012Validator.FORMAT_CHECKER


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Return a validator that asserts formats."""
    assert {"date", "date-time", "uuid"} <= FORMATS.checkers.keys()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FORMATS)


def takes(signature: Signature, body: str) -> bool:
    """Return whether a function takes a body."""
    call = WorkerCall(Callee("m", "", "f", "{}", typed=True), {}, body=body)
    try:
        fit_typed_arguments(call, signature)
    except InvalidArgumentsError:
        return False
    return True


def compare(seed: int, values: int) -> tuple[int, int]:
    """Compare schema and function of a made-up signature; return how many values were valid, and not."""
    random = Random(seed)  # noqa: S311 - no secret
    made = make_signature(random)
    signature = Signature(made.function, Parameters.from_signature(made.function))
    schema = describe_signature(made.function)["parameters"]
    valid, counts = validator(schema), [0, 0]
    for _ in range(values):
        body = make_body(made, random)
        is_valid = valid.is_valid(json.loads(body))
        assert takes(signature, body) == is_valid, (made.annotations, body, schema)
        counts[is_valid] += 1
    return counts[1], counts[0]


@given(seed=st.integers(0, 2**32))
@examples(1)
def test_what_is_valid_by_the_schema_is_taken_and_nothing_else(seed: int) -> None:
    """For any signature and value; formats are asserted."""
    compare(seed, 500)


@pytest.mark.nightly
def test_a_long_look_for_a_value_on_which_schema_and_function_differ() -> None:
    """Two hundred signatures, ten thousand values each; both answers are frequent."""
    valid, invalid = map(sum, zip(*(compare(seed, 10_000) for seed in range(200)), strict=True))
    assert valid > 400_000
    assert invalid > 400_000
