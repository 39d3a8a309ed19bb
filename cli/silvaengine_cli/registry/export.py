"""The tables as a registry file: applying an export changes nothing."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, count
from typing import Any

import yaml

from silvaengine.tables import (
    COMMON_ENDPOINT,
    CONFIG_DATA,
    CONNECTIONS,
    DEFAULT_API_KEY,
    ENDPOINTS,
    EVENTS_SETTING_ID,
    FUNCTIONS,
)
from silvaengine_cli.registry.bindings import FindLabel, bindings_of, is_binding
from silvaengine_cli.registry.document import NUMBER, WORDS
from silvaengine_cli.registry.model import EXECUTION, METHODS
from silvaengine_cli.registry.packages import Packages, version_of
from silvaengine_cli.registry.rows import Row, key_row_endpoint, row_name
from silvaengine_cli.registry.tables import Key, RegistryTables


@dataclass(frozen=True, slots=True)
class Export:
    """The file's text, and notes on rows that no file can express."""

    text: str
    notes: tuple[str, ...]


def export(tables: RegistryTables, worker_arn: str) -> Export:
    """Return the registry file for all rows; functions of this worker are written without ``lambda``."""
    notes: list[str] = []
    packages = Packages(tables, worker_arn)
    rows = {FUNCTIONS.key_of(row): row for row in tables.scan(FUNCTIONS) if not packages.owner(row)}
    labels = _labels(rows, worker_arn)
    endpoints = {row["endpoint_id"]: row for row in tables.scan(ENDPOINTS)}
    connections = []
    key_rows = {CONNECTIONS.key_of(row): row for row in tables.scan(CONNECTIONS)}
    for _, row in sorted(key_rows.items()):
        if row.get("endpoints") == []:
            notes.append(f"{row_name(CONNECTIONS, row)} is left out: its list of endpoints is empty")
        elif row["endpoint_id"] in {*endpoints, COMMON_ENDPOINT}:
            connections.append(_connection(row, labels, packages, notes))
        else:
            notes.append(f"{row_name(CONNECTIONS, row)} is left out: its endpoint has no row")

    def find_label(endpoint_id: str, function: str) -> str | None:
        """Return the label of a function that an endpoint reaches without a key, as events do."""
        if endpoint_id not in endpoints:
            return None
        owner = key_row_endpoint(endpoints[endpoint_id])
        entries = key_rows.get((owner, DEFAULT_API_KEY), {}).get("functions") or ()
        arns = (entry.get("aws_lambda_arn", "") for entry in entries if entry.get("function") == function)
        return labels.get((next(arns, ""), function))

    settings = list(tables.scan(CONFIG_DATA))
    bindings, binding_keys = _bindings(settings, find_label)
    sections = {
        "endpoints": {name: _endpoint(row) for name, row in sorted(endpoints.items())},
        "functions": {
            label: _function(rows[key], worker_arn, bindings.get(label, []))
            for key, label in sorted(labels.items(), key=lambda it: it[1])
        },
        "connections": connections,
        "settings": _settings(
            [row for row in settings if CONFIG_DATA.key_of(row) not in binding_keys], notes
        ),
    }
    return Export(to_yaml(sections), tuple(notes))


def _labels(keys: Iterable[Key], worker_arn: str) -> dict[Key, str]:
    """Return a label for each function: its name, with its Lambda's for all but one of the same name."""
    labels: dict[Key, str] = {}
    for arn, name in sorted(keys, key=lambda key: (key[0] != worker_arn, key)):
        place = arn.split(":function:")[-1].replace(":", ".").replace("$", "")
        choices = chain([name, f"{name}@{place}"], (f"{name}@{place}-{number}" for number in count(2)))
        labels[arn, name] = next(label for label in choices if label not in labels.values())
    return labels


def _endpoint(row: Row) -> Row:
    connection = {"connection": "own" if row.get("special_connection") else "common"}
    return connection | ({"rate_limit": row["rate_limit"]} if row.get("rate_limit") else {})


def _bindings(rows: Iterable[Row], find_label: FindLabel) -> tuple[dict[str, list[Row]], set[Key]]:
    """Return the bindings of each function, and the keys of the rows that they express completely."""
    bindings: dict[str, list[Row]] = {}
    keys: set[Key] = set()
    for row in sorted(filter(is_binding, rows), key=CONFIG_DATA.key_of):
        pairs = bindings_of(row, find_label)
        if pairs is not None:
            keys.add(CONFIG_DATA.key_of(row))
            for label, binding in pairs:
                bindings.setdefault(label, []).append(binding)
    return bindings, keys


def _function(row: Row, worker_arn: str, events: list[Row]) -> Row:
    config = row.get("config") or {}
    operations = {kind: list(names) for kind, names in (config.get("operations") or {}).items() if names}
    methods = list(config.get("methods") or METHODS)
    kind = config.get("funct_type") or "RequestResponse"
    fields = {
        **_callee(row["function"], config),
        "area": row.get("area"),
        "methods": methods if methods != list(METHODS) else None,
        "type": kind if kind != "RequestResponse" else None,
        "settings": config.get("setting"),
        "auth_required": config.get("auth_required"),
        "graphql": config.get("graphql"),
        "operations": operations,
        **{name: config.get(name) for name in EXECUTION},
        "lambda": row["aws_lambda_arn"] if row["aws_lambda_arn"] != worker_arn else None,
        "events": events,
    }
    return {name: value for name, value in fields.items() if value}


def _callee(name: str, config: Row) -> Row:
    module, class_name = config.get("module_name"), config.get("class_name")
    called = config.get("function_name") or name
    if called == name:
        return {"module": module, "class": class_name}
    return {"call": f"{module}:{class_name}.{called}" if class_name else f"{module}:{called}"}


def _connection(row: Row, labels: dict[Key, str], packages: Packages, notes: list[str]) -> Row:
    entries = []
    for entry in row.get("functions") or ():
        name, owner = entry.get("function", ""), packages.owner(entry)
        if owner and (version := version_of(entry["aws_lambda_arn"])) is not None:
            notes.append(f"{row_name(CONNECTIONS, row)}: {name} is left out: it names release {version}")
            continue
        label = name if owner else labels.get((entry.get("aws_lambda_arn", ""), name))
        if label:
            optional = {"package": owner, "settings": entry.get("setting")}
            given = {member: value for member, value in optional.items() if value}
            entries.append({"function": label, **given} if given else label)
        else:
            notes.append(f"{row_name(CONNECTIONS, row)}: {name} is left out: its function has no row")
    fields = {
        "endpoint": row["endpoint_id"] if row["endpoint_id"] != COMMON_ENDPOINT else None,
        "api_key": row["api_key"] if row["api_key"] != DEFAULT_API_KEY else None,
        "functions": entries or None,
        "packages": [
            {"package": it["package"], "settings": it["setting"]} if it.get("setting") else it["package"]
            for it in row.get("packages") or ()
        ],
        "whitelist": list(row.get("whitelist") or ()) or None,
        "grants": list(row.get("grants") or ()) or None,
        "rate_limit": row.get("rate_limit"),
        "endpoints": list(row.get("endpoints") or ()) or None,
    }
    return {name: value for name, value in fields.items() if value}


def _settings(rows: Iterable[Row], notes: list[str]) -> dict[str, Row]:
    settings: dict[str, Row] = {}
    for row in sorted(rows, key=CONFIG_DATA.key_of):
        if row["setting_id"] == EVENTS_SETTING_ID:
            notes.append(
                f"{row_name(CONFIG_DATA, row)} is left out: it calls what no endpoint reaches without a key"
            )
        elif _is_json(row.get("value")):
            settings.setdefault(row["setting_id"], {})[row["variable"]] = row.get("value")
        else:
            notes.append(f"{row_name(CONFIG_DATA, row)} is left out: its value holds a set or bytes")
    return settings


def _is_json(value: object) -> bool:
    match value:
        case dict():
            return all(map(_is_json, value.values()))
        case list():
            return all(map(_is_json, value))
        case _:
            return value is None or isinstance(value, str | bool | int | Decimal)


class _Dumper(yaml.SafeDumper):
    """Writes for ``read_document``: quotes text that would be read as a number or a word."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Quote text with YAML's rarer line breaks, which PyYAML writes raw and then reads as blanks."""
    style = '"' if any(character in value for character in "\x85\u2028\u2029\ufeff") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _decimal(dumper: yaml.SafeDumper, value: Decimal) -> yaml.ScalarNode:
    if value == value.to_integral_value():
        return dumper.represent_int(int(value))
    return dumper.represent_scalar("tag:yaml.org,2002:float", str(value))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Decimal, _decimal)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("+-.0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(f"(?i)(?:{'|'.join(WORDS)})$"), None)


def to_yaml(sections: dict[str, Any]) -> str:
    """Return a file's text: its sections but the empty ones, as ``read_document`` reads them."""
    parts = [_dump(name, content) for name, content in sections.items() if content]
    return "\n".join(parts) or "{}\n"


def _dump(name: str, content: object) -> str:
    return yaml.dump(
        {name: content},
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=110,
    )
