"""Adds a function to a registry file as a person would: a few lines, with the rest unchanged.

PyYAML would write the whole file again and lose its comments. The edit is checked by reading the result:
unless that is the old registry and the addition, the file is not written.
"""

import re

from silvaengine.tables import COMMON_ENDPOINT, DEFAULT_API_KEY
from silvaengine_cli.registry.document import Document, Path, read_document
from silvaengine_cli.registry.file import RegistryFileError, parse
from silvaengine_cli.registry.model import ConnectionSpec, EndpointSpec, EntrySpec, FunctionSpec, RegistrySpec

FIRST_ENDPOINT = "demo"


def insert_function(
    content: bytes, name: str, function: FunctionSpec, variables: dict[str, str]
) -> bytes | None:
    """Add a function, its setting, its entry in the common connection, and an endpoint if there is none.

    Args:
        content: a valid registry file.
        name: the function's name, new to the file.
        function: the function; its ``settings`` are new to the file, too.
        variables: the variables of that setting.

    Returns:
        The new file, or None if the file has a form to which lines can't be added.
    """
    old = parse(content).spec
    editor = _Editor(content)
    editor.add("functions", [f"{name}:", *(f"  {line}" for line in _function_lines(function))])
    editor.add(
        "settings", [f"{function.settings}:", *(f"  {key}: {value}" for key, value in variables.items())]
    )
    if common_endpoint(old) is None:
        editor.add("endpoints", [f"{FIRST_ENDPOINT}:"])
    editor.connect(_common_index(old), name)
    try:
        new = parse(editor.content()).spec
    except RegistryFileError:
        return None
    return editor.content() if new == _expected(old, name, function, variables) else None


def common_endpoint(spec: RegistrySpec) -> str | None:
    """Return an endpoint that uses the common connection, None if there is none."""
    return next((name for name, endpoint in spec.endpoints.items() if endpoint.connection == "common"), None)


def _function_lines(function: FunctionSpec) -> list[str]:
    methods = ", ".join(function.methods)
    fields = {"module": function.module, "class": function.class_name, "area": function.area}
    return [f"{key}: {value}" for key, value in fields.items()] + [
        f"methods: [{methods}]",
        f"settings: {function.settings}",
    ]


def _common_index(spec: RegistrySpec) -> int | None:
    keys = [(connection.endpoint, connection.api_key) for connection in spec.connections]
    common = (COMMON_ENDPOINT, DEFAULT_API_KEY)
    return keys.index(common) if common in keys else None


def _expected(
    old: RegistrySpec, name: str, function: FunctionSpec, variables: dict[str, str]
) -> RegistrySpec:
    endpoints = {} if common_endpoint(old) else {FIRST_ENDPOINT: EndpointSpec()}
    connections = list(old.connections)
    index = _common_index(old)
    if index is None:
        connections.append(ConnectionSpec(functions=(EntrySpec(function=name),)))
    else:
        entries = (*connections[index].functions, EntrySpec(function=name))
        connections[index] = connections[index].model_copy(update={"functions": entries})
    return RegistrySpec(
        endpoints=old.endpoints | endpoints,
        functions=old.functions | {name: function},
        connections=tuple(connections),
        settings=old.settings | {str(function.settings): dict(variables)},
    )


class _Editor:
    """The lines of a YAML file; each edit reads them again, since it moves the lines after it."""

    def __init__(self, content: bytes) -> None:
        self._lines = content.decode().rstrip("\n").split("\n")

    def content(self) -> bytes:
        return ("\n".join(self._lines).strip("\n") + "\n").encode()

    def add(self, section: str, lines: list[str]) -> None:
        """Add a member at the end of a section, or the section at the end of the file."""
        document = self._document()
        members = document.data.get(section)
        if members:
            indent = self._indent(document.lines[section, next(iter(members))])
            self._insert(_last_line(document, (section,)), lines, indent)
        else:
            self._add_section(document, section, lines)

    def connect(self, index: int | None, name: str) -> None:
        """Add a function to the common connection."""
        document = self._document()
        if index is None:
            self._add_connection(document, name)
            return
        entries = ("connections", index, "functions")
        last = _last_line(document, entries)
        if (*entries, 0) not in document.lines:
            self._lines[last - 1] = re.sub(r"\[\s*\]", f"[{name}]", self._lines[last - 1])
        elif (
            re.match(r"\s*(- functions:\s*)?-\s", self._lines[last - 1]) and "]" not in self._lines[last - 1]
        ):
            self._insert(last, [f"- {name}"], self._indent(document.lines[*entries, 0]))
        else:
            head, bracket, tail = self._lines[last - 1].rpartition("]")
            self._lines[last - 1] = f"{head}, {name}{bracket}{tail}" if bracket else tail

    def _add_connection(self, document: Document, name: str) -> None:
        lines = ["- functions:", f"    - {name}"]
        if document.data.get("connections"):
            indent = self._indent(document.lines["connections", 0])
            self._insert(_last_line(document, ("connections",)), lines, indent)
        else:
            self._add_section(document, "connections", lines)

    def _add_section(self, document: Document, section: str, lines: list[str]) -> None:
        """Fill an empty section, or begin one at the end."""
        if section not in document.data:
            self._lines += ["", f"{section}:"]
            self._insert(len(self._lines), lines, "  ")
        else:
            line = document.lines[section,]
            self._lines[line - 1] = f"{section}:"
            self._insert(line, lines, "  ")

    def _document(self) -> Document:
        return read_document(self.content())

    def _indent(self, line: int) -> str:
        text = self._lines[line - 1]
        return text[: len(text) - len(text.lstrip())]

    def _insert(self, after: int, lines: list[str], indent: str) -> None:
        self._lines[after:after] = [indent + line for line in lines]


def _last_line(document: Document, prefix: Path) -> int:
    return max((line for path, line in document.lines.items() if path[: len(prefix)] == prefix), default=1)
