"""What a typed function takes is what its schema says."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError, validators

from silvaengine.errors import InvalidArgumentsError
from silvaengine.protocol.messages import Callee, WorkerCall
from silvaengine_worker.arguments import Parameters
from silvaengine_worker.results import to_json_value
from silvaengine_worker.typed.arguments import fit_typed_arguments
from silvaengine_worker.typed.schemas import describe_signature
from silvaengine_worker.typed.signature import Signature

from ...examples import examples
from .signatures import make_body, make_signature, words_of

FUNCTIONS = Path(__file__).parents[3] / "docs/functions.md"
FORMATS = Draft202012Validator.FORMAT_CHECKER


def matches(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    """Check a pattern as ECMA-262 reads it, which JSON Schema asks for: Python's `$` takes a line break."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError("it doesn't match")


Validator = validators.extend(Draft202012Validator, {"pattern": matches})


def validator(schema: dict[str, Any]) -> Any:
    """Return a validator that asserts formats."""
    assert {"date", "date-time", "uuid"} <= FORMATS.checkers.keys()
    Draft202012Validator.check_schema(schema)
    return Validator(schema, format_checker=FORMATS)


def take(signature: Signature, body: str) -> Mapping[str, object] | None:
    """Return the arguments that a function takes from a body, None if it refuses it."""
    call = WorkerCall(Callee("m", "", "f", "{}", typed=True), {}, body=body)
    try:
        return fit_typed_arguments(call, signature)[1]
    except InvalidArgumentsError:
        return None


def take_step_by_step(signature: Signature, body: str) -> Mapping[str, object] | None:
    """Return what ``take`` returns, where no body is converted from its text at once."""
    signature.takes_body, takes_body = False, signature.takes_body
    try:
        return take(signature, body)
    finally:
        signature.takes_body = takes_body


def compare(seed: int, values: int) -> tuple[int, int]:
    """Compare schema and function of a made-up signature; return how many values were valid, and not."""
    random = Random(seed)  # noqa: S311 - no secret
    made = make_signature(random)
    name = next(iter(made.annotations))
    made.function.__annotations__["return"] = made.annotations[name]
    signature = Signature(made.function, Parameters.from_signature(made.function))
    described = describe_signature(made.function)
    schema, result = described["parameters"], validator(described["result"])
    if name == "body":
        schema = schema["properties"]["body"] | {"$defs": schema.get("$defs", {})}
    valid, counts = validator(schema), [0, 0]
    for _ in range(values):
        body = make_body(made, random)
        is_valid = valid.is_valid(json.loads(body))
        arguments = take(signature, body)
        assert (arguments is not None) == is_valid, (made.annotations, body, schema)
        assert repr(arguments) == repr(take_step_by_step(signature, body)), (made.annotations, body)
        counts[is_valid] += 1
        if arguments and name in arguments:
            sent = to_json_value(arguments[name])
            assert result.is_valid(sent), (made.annotations, sent, described["result"])
    return counts[1], counts[0]


@given(seed=st.integers(0, 2**32))
@examples(1)
def test_what_is_valid_by_the_schema_is_taken_and_nothing_else(seed: int) -> None:
    """For any signature and value, with formats asserted; what is returned as it came is a valid result."""
    compare(seed, 200)


def test_every_documented_type_is_compared() -> None:
    """The types and bounds of docs/functions.md are those of the made-up signatures of the long look."""
    table = FUNCTIONS.read_text().partition("| annotation | JSON |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    documented = {word for name, _ in rows for word in re.findall(r"\w{2,}|\|", name)} - {"Meta", "msgspec"}
    documented |= {bound for name, text in rows if "Meta" in name for bound in re.findall(r"`(\w+)`", text)}
    made = [make_signature(Random(seed)) for seed in range(200)]  # noqa: S311 - no secrets
    compared = {word for each in made for it in each.annotations.values() for word in words_of(it)}
    assert compared - {"Collection"} == documented


@pytest.mark.nightly
@pytest.mark.timeout(0)
def test_a_long_look_for_a_value_on_which_schema_and_function_differ() -> None:
    """Two hundred signatures, ten thousand values each; both answers are frequent."""
    valid, invalid = map(sum, zip(*(compare(seed, 10_000) for seed in range(200)), strict=True))
    assert valid > 400_000
    assert invalid > 400_000
