"""Functions that can't be imported where they run, or run where no gateway may call them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import batched

import click

from silvaengine.aws.table_client import Row
from silvaengine.registry.turns import serving
from silvaengine.settings import package_prefix
from silvaengine.tables import FUNCTIONS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.releases import PackageReleases, read_pointers
from silvaengine_cli.publishing.versions import PROBE_TENANT, callables_of

_ISOLATED = "WorkerIsolatedArn"  # an output where there is such a worker
AT_ONCE = 500  # functions that a worker imports for one question

type Callee = tuple[str, str, str, bool]


def check_functions(deployment: Deployment) -> Iterator[str]:
    """Yield what a worker can't import or isn't allowed to, asked in its place, and unknown workers.

    Importing runs the modules' top level, as each cold start does.
    """
    rows = defaultdict[str, list[Row]](list)
    for row in deployment.tables().scan(FUNCTIONS):
        rows[row["aws_lambda_arn"]].append(row)
    packages = package_prefix(deployment.worker_arn) or "-"
    others = deployment.parameter("OtherWorkerArns").split(",")
    isolated = deployment.output(_ISOLATED) if deployment.has_output(_ISOLATED) else None
    for arn, functions in sorted(rows.items()):
        if arn in (deployment.worker_arn, isolated):
            yield from _unable(deployment, arn, map(_callee, functions), isolated=arn == isolated)
        elif not arn.startswith(packages) and arn not in others:
            names = ", ".join(sorted(row["function"] for row in functions)[:5])
            yield (
                f"{names}: gateways may not invoke {arn}: name it in OtherWorkerArns, or have the rows name "
                "the stack's worker (`silvaengine apply`)"
            )
    for pointer in read_pointers(deployment.client("dynamodb"), deployment.table_prefix):
        releases = PackageReleases(deployment, pointer["package"])
        for number in sorted(serving(pointer)):
            arn, row = f"{releases.function_arn}:{number}", releases.release(number)
            callees = callables_of(row["functions"])
            yield from _unable(deployment, arn, callees, row["digest"], isolated=row["isolated"])


def _callee(row: Row) -> Callee:
    config = {"class_name": "", "function_name": row["function"]} | (row.get("config") or {})
    return config["module_name"], config["class_name"], config["function_name"], False


def _unable(
    deployment: Deployment, arn: str, callees: Iterable[Callee], digest: str = "", *, isolated: bool
) -> Iterator[str]:
    """Yield the functions that the Lambda can't import, and the rights that it lacks.

    One of a release takes no question without the release's digest, an isolated one none without a tenant.
    """
    tenant = PROBE_TENANT if isolated else None
    lambda_name = arn.partition(":function:")[2]
    for some in batched(dict.fromkeys(callees), AT_ONCE, strict=False):
        question = {"describe": [*some], **({"release": digest} if digest else {})}
        succeeded, said = deployment.invoke(arn, json.dumps(question), tenant=tenant)
        if not succeeded or "functions" not in said:
            raise click.ClickException(f"{arn} doesn't say what it can import: {str(said)[:200]}")
        for name, function in said["functions"].items():
            if "error" in function:
                reason = function["error"].strip().rpartition("\n")[2]
                yield f"{name} can't be imported by {lambda_name}: {reason}: mend or deploy its code"
        for right, answer in said.get("rights", {}).items():
            if answer != "ok":
                yield f"{lambda_name} lacks a right, {right}: {answer}: deploy the stack, then publish it"
