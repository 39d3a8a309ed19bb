"""Typed functions that ship in the worker's artefact, described by the deployed worker."""

import json
from typing import NamedTuple

from silvaengine.errors import ConditionFailedError
from silvaengine.registry.packages import call_of
from silvaengine.tables import FUNCTIONS
from silvaengine_cli import AwsClient
from silvaengine_cli.descriptions import Descriptions, fit, text_of
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.registry.tables import RegistryTables

MAX_BYTES = 65_536  # of one function: a gateway reads it with the row, at the first call of each


class Described(NamedTuple):
    """The functions whose description was written, and what is to be said of others."""

    written: list[str]
    notes: list[str]


def describe_shipped(tables: RegistryTables, worker_arn: str, functions: AwsClient) -> Described:
    """Write the descriptions of a worker's typed functions into their rows, where they have changed.

    Args:
        tables: the registry's.
        worker_arn: the worker's; it imports the functions.
        functions: Lambda's client.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # lazy: it is slow to import

    rows = list(tables.query(FUNCTIONS, worker_arn))
    typed = [row for row in rows if (row.get("config") or {}).get("typed") is True]
    described = Described([], [])
    try:
        said = _ask(functions, worker_arn, typed) if typed else {}
    except (BotoCoreError, ClientError, _NoAnswerError) as error:
        described.notes.append(f"typed functions aren't described: {error}")
        return described
    for row in rows:
        text = _text(row, said, described) if row in typed else ""
        if text != row.get("description", ""):
            _write(tables, row, text, described)
    if described.written:
        tables.bump_generation()
    return described


class _NoAnswerError(Exception):
    """The worker didn't describe anything."""


def _ask(functions: AwsClient, worker_arn: str, rows: list[Row]) -> Descriptions:
    configs = [{"class_name": "", "function_name": row["function"]} | row["config"] for row in rows]
    request = [[it["module_name"], it["class_name"], it["function_name"], True] for it in configs]
    response = functions.invoke(FunctionName=worker_arn, Payload=json.dumps({"describe": request}))
    answer = json.loads(response["Payload"].read())
    if "FunctionError" in response or "functions" not in answer:
        raise _NoAnswerError(f"the worker said {text_of(answer)[:200]}")
    said: Descriptions = answer["functions"]
    return said


def _text(row: Row, said: Descriptions, described: Described) -> str:
    """Return the text that a row is to have; note why it is empty."""
    description = said[call_of(row["function"], row["config"])]
    if "error" in description:
        described.notes.append(f"{row['function']} can't be described: {description['error']}")
        return ""
    fitted = fit({"": description}, MAX_BYTES)
    if fitted is None:
        described.notes.append(f"{row['function']} isn't described: that would be more than 64 KB")
        return ""
    return text_of(fitted[""])


def _write(tables: RegistryTables, row: Row, text: str, described: Described) -> None:
    after = row | {"description": text, "revision": int(row.get("revision", 0)) + 1}
    try:
        tables.update(FUNCTIONS, row, after)
    except ConditionFailedError:
        described.notes.append(f"{row['function']} was changed meanwhile: apply again to describe it")
    else:
        described.written.append(row["function"])
