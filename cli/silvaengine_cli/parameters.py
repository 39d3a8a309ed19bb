"""Parameters of a call as one types them: ``NAME=VALUE``, where a VALUE that is JSON is taken as JSON."""

import json
from collections.abc import Iterable
from typing import Any


def parse_parameters(pairs: Iterable[str]) -> dict[str, Any]:
    """Return the parameters; raises ValueError, which names what is none."""
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise ValueError(f"{pair!r} is not NAME=VALUE")
        values[name] = json_or_text(text)
    return values


def json_or_text(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return what JSON text stands for, any other text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
