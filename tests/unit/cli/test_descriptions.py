"""Descriptions in the room that a row has."""

from typing import Any

from silvaengine_cli.descriptions import fit, text_of


def described(*examples: str, **properties: Any) -> dict[str, Any]:
    """Return a function's description whose parameter ``name`` has examples."""
    name = {"type": "string"} | ({"examples": list(examples)} if examples else {})
    return {"parameters": {"type": "object", "properties": {"name": name, **properties}}, "errors": {}}


FEW, MANY = described("Ada"), described("Ada" * 40, "Grace" * 40)


def test_what_fits_stays_as_it_is() -> None:
    """Examples included."""
    said = {"shop:few": FEW, "shop:many": MANY}
    assert fit(said, len(text_of(said))) == said


def test_the_largest_examples_go_first() -> None:
    """Then the others'; what is still too large can't be had."""
    said = {"shop:few": FEW, "shop:many": MANY}
    shorter = fit(said, len(text_of(said)) - 1)
    assert shorter == {"shop:few": FEW, "shop:many": described()}
    shortest = fit(said, len(text_of(shorter)) - 1)
    assert shortest == {"shop:few": described(), "shop:many": described()}
    assert fit(said, len(text_of(shortest)) - 1) is None


def test_a_parameter_or_a_value_called_examples_stays() -> None:
    """Only the keyword of a schema goes."""
    value = {"type": "object", "default": {"examples": 1}, "enum": [{"examples": 1}]}
    said = {"shop:f": described("Ada" * 40, examples=value)}
    assert fit(said, 250) == {"shop:f": described(examples=value)}
