"""A tenant's rows as a file, without the secrets of its keys: in DynamoDB's own JSON, each with its table."""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from silvaengine.access.api_keys import IMPLIED_SCOPES, PREFIX
from silvaengine.ledger.execution import DAY
from silvaengine.tables import CONNECTIONS, DEFAULT_API_KEY, TABLES, Table
from silvaengine_cli.api_keys import ID_BYTES, lifetime
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.registry.tables import from_item, to_item
from silvaengine_cli.tenants.rows import TenantRows, all_rows

VERSION = 1


class TenantFile(NamedTuple):
    """A tenant's rows in the order of their writing, and the lifetimes of its keys in days, by id."""

    tenant: str
    rows: list[tuple[Table, Row]]
    lifetimes: dict[str, int]


def write_tenant(endpoint_id: str, rows: TenantRows) -> str:
    """Return the file's text. A key that is its own secret gets an id instead."""
    content, lifetimes = list[Row](), dict[str, int]()
    for each in all_rows(rows):
        row = each.row
        if each.table is CONNECTIONS and row["api_key"] != DEFAULT_API_KEY:
            row = _without_secret(row)
            if (seconds := lifetime(each.row.get("key_hashes") or ())) is not None:
                lifetimes[row["api_key"]] = seconds // DAY
        content.append({"table": each.table.name, "row": to_item(row)})
    document = {"tenant": endpoint_id, "version": VERSION, "rows": content, "lifetimes": lifetimes}
    return json.dumps(document, indent=1, ensure_ascii=False, default=_encode_bytes) + "\n"


def read_tenant(text: str, name: str) -> TenantFile:
    """Return a file's content; raise ClickException if `tenant export` of this version didn't write it."""
    try:
        document = json.loads(text, object_hook=_decode_bytes)
        content = TenantFile(document["tenant"], list(_rows(document["rows"])), document["lifetimes"])
        is_known = document["version"] == VERSION
    except (ValueError, LookupError, TypeError, AttributeError):
        is_known = False
    if not is_known:
        raise click.ClickException(f"{name} isn't a file of `silvaengine tenant export`, version {VERSION}")
    return content


def _rows(content: Any) -> Iterator[tuple[Table, Row]]:  # noqa: ANN401 - as JSON has it
    tables = {table.name: table for table in TABLES}
    for each in content:
        table, row = tables[each["table"]], from_item(each["row"])
        table.key_of(row)
        yield table, row


def _without_secret(row: Row) -> Row:
    """Return a key's row without its secret; one that is its secret gets an id, and scopes to do the same."""
    if row["api_key"].startswith(PREFIX):
        return {name: value for name, value in row.items() if name != "key_hashes"}
    grants = sorted({*(row.get("grants") or ()), *IMPLIED_SCOPES})
    return {**row, "api_key": PREFIX + secrets.token_hex(ID_BYTES), "grants": grants}


def _encode_bytes(value: Any) -> object:  # noqa: ANN401 - what JSON has no form for
    """Return the value of a B as base64, as DynamoDB's API has it."""
    return b64encode(bytes(value)).decode()


def _decode_bytes(members: dict[str, Any]) -> dict[str, Any]:
    match list(members.items()):
        case [("B", str(text))]:
            return {"B": b64decode(text)}
        case [("BS", [*texts])] if all(isinstance(text, str) for text in texts):
            return {"BS": list(map(b64decode, texts))}
    return members
