"""The functions table's rows of a package, for its other readers: gateways resolve pointer and release."""

import json

from silvaengine.aws.backoff import Backoff
from silvaengine.aws.table_client import Row
from silvaengine.errors import ConditionFailedError
from silvaengine.tables import FUNCTIONS
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.registry.equality import same
from silvaengine_cli.registry.tables import RegistryTables

ATTEMPTS = Backoff(0.1)


def write_function_rows(tables: RegistryTables, releases: PackageReleases) -> None:
    """Let the rows say what the release that serves does, whatever they said before.

    Raises:
        ConditionFailedError: somebody else writes them all the time.
    """
    # Another publication writes them, too, perhaps for an older pointer: the last one has read the last.
    ATTEMPTS.run(lambda: _write(tables, releases), ConditionFailedError)


def _write(tables: RegistryTables, releases: PackageReleases) -> None:
    wanted = function_rows(releases.release(releases.pointer()["release"]))
    before = {row["function"]: row for row in tables.query(FUNCTIONS, releases.function_arn)}
    for name, row in wanted.items():
        seen = before.get(name, {})
        after = row | {"revision": int(seen.get("revision", 0)) + 1}
        if not seen:
            tables.create(FUNCTIONS, after)
        elif any(attribute not in seen or not same(seen[attribute], row[attribute]) for attribute in row):
            tables.update(FUNCTIONS, seen, after)
    for name in before.keys() - wanted.keys():
        tables.delete(FUNCTIONS, before[name])


def function_rows(release: Row) -> dict[str, Row]:
    """Return the rows that a release stands for, by function."""
    return {
        name: {
            "aws_lambda_arn": release["function_arn"],
            "function": name,
            **of_function,
            "package": release["package"],
            "release": release["release"],
        }
        for name, of_function in json.loads(release["functions"]).items()
    }
