"""DynamoDB's attribute values (``{"S": "text"}``) as plain Python values, and back.

docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html.
"""

from base64 import b64decode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

type AttributeValue = Mapping[str, Any]


def encode(value: object) -> dict[str, Any]:
    """Return a plain value as an attribute value; ``decode`` reverses it.

    Raises:
        TypeError: the value's type is none that DynamoDB and JSON share.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float() | Decimal():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": encode_row(value)}
        case list() | tuple():
            return {"L": [encode(member) for member in value]}
        case _:
            raise TypeError(f"DynamoDB can't store a value of type {type(value).__name__}")


def encode_row(row: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """Return a row's attributes as attribute values; most are texts and whole numbers."""
    return {
        name: {"S": value}
        if type(value) is str
        else {"N": str(value)}
        if type(value) is int
        else encode(value)
        for name, value in row.items()
    }


def decode(value: AttributeValue) -> object:
    """Return an attribute value as plain Python: whole numbers as int, others as float, sets as lists."""
    kind, content = next(iter(value.items()))
    match kind:
        case "M":
            return decode_row(content)
        case "L":
            return [decode(member) for member in content]
        case "N":
            return _number(content)
        case "NS":
            return [_number(member) for member in content]
        case "NULL":
            return None
        case "B":
            return _bytes(content)
        case "BS":
            return [_bytes(member) for member in content]
        case _:
            return content


def decode_row(item: Mapping[str, AttributeValue]) -> dict[str, Any]:
    """Return a row's attributes as plain values; most are texts."""
    return {name: value["S"] if "S" in value else decode(value) for name, value in item.items()}


def _bytes(content: str | bytes) -> bytes:
    """Return binary data, which boto3's clients have decoded and ours haven't."""
    return content if isinstance(content, bytes) else b64decode(content)


def _number(text: str) -> int | float:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)
