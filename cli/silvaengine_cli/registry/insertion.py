"""Adds a function or package to a registry file as a person would: a few lines, every other byte unchanged.

The result is read again: unless that is the old registry and the addition, nothing is written.
"""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from silvaengine.tables import COMMON_ENDPOINT, DEFAULT_API_KEY
from silvaengine_cli.registry.editing import add
from silvaengine_cli.registry.file import RegistryFileError, parse
from silvaengine_cli.registry.model import FunctionSpec, RegistrySpec

FIRST_ENDPOINT = "demo"


def insert_function(
    content: bytes, name: str, function: FunctionSpec, variables: Mapping[str, str]
) -> bytes | None:
    """Return a valid file with a function, its setting and variables, all of them new to it.

    It also gets an entry in the common key row, and an endpoint if there is none. The result is None for a
    file of a form to which nothing can be added.
    """
    settings = [f"{function.settings}:", *(f"  {key}: {value}" for key, value in variables.items())]

    def insert(text: str, expected: dict[str, Any]) -> str:
        expected["functions"][name] = function
        expected["settings"][function.settings] = variables
        text = add(text, ("functions",), [f"{name}:", *_function_lines(function)])
        return add(text, ("settings",), settings)

    return _inserted(content, insert, "functions", name)


def insert_package(content: bytes, package: str) -> bytes | None:
    """Return a valid file whose common key row lists a package, else None, as ``insert_function``."""
    return _inserted(content, lambda text, _: text, "packages", package)


def _inserted(
    content: bytes, insert: Callable[[str, dict[str, Any]], str], opened: str, name: str
) -> bytes | None:
    """Return the file after an insertion, in which the common key row opens a function or package."""
    old = parse(content).spec
    expected = old.model_dump(by_alias=True)
    try:
        text = insert(content.decode(), expected)
        if common_endpoint(old) is None:
            text = add(text, ("endpoints",), [f"{FIRST_ENDPOINT}:"])
            expected["endpoints"][FIRST_ENDPOINT] = {}
        index = _common_index(old)
        if index is None:
            text = add(text, ("connections",), [f"- {opened}:", f"    - {name}"])
            expected["connections"] += ({opened: [name]},)
        else:
            text = add(text, ("connections", index, opened), [f"- {name}"])
            expected["connections"][index][opened] += (name,)
        new = parse(text.encode()).spec
    except (RegistryFileError, yaml.YAMLError):
        return None
    return text.encode() if new == RegistrySpec.model_validate(expected) else None


def common_endpoint(spec: RegistrySpec) -> str | None:
    """Return an endpoint that uses the common key row, None if there is none."""
    return next((name for name, endpoint in spec.endpoints.items() if endpoint.connection == "common"), None)


def _function_lines(function: FunctionSpec) -> list[str]:
    return [
        f"  module: {function.module}",
        f"  class: {function.class_name}",
        f"  area: {function.area}",
        f"  methods: [{', '.join(function.methods)}]",
        f"  settings: {function.settings}",
        *(["  keep_empty: true"] if function.keep_empty else []),
    ]


def _common_index(spec: RegistrySpec) -> int | None:
    keys = [(connection.endpoint, connection.api_key) for connection in spec.connections]
    common = (COMMON_ENDPOINT, DEFAULT_API_KEY)
    return keys.index(common) if common in keys else None
