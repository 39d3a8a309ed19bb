"""What the update of a deployed stack would change, what it can't do, and the steps that it takes.

The account says what is deployed: CloudFormation has the template and the parameters, Lambda the layer.
"""

import ast
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

from silvaengine_cli import AwsClient
from silvaengine_cli.preflight.stack import Stack
from silvaengine_cli.preflight.updates import conflicts

EARLIER_WORKERS = "EarlierWorkers"
_LAYER_SECONDS = 60
_KEEPS_DATA = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret")
_LAST_UNNAMED = "0.2.0"  # later versions stand in their templates
_CONTRACT = ("Changed", "Deprecated", "Removed")
_GAP = (
    "Lambda takes a function's layer and its code in two steps, and what starts in between fails: this "
    "version's code imports {names}, which the deployed layer lacks. Deploy at a quiet time, and say so by "
    "--quiet-time, or as a second stack on the same tables (RELEASING.md)"
)


class Deployed(NamedTuple):
    """A stack as CloudFormation and Lambda describe it.

    ``changed`` is when it was last created or updated; ``modules`` are the framework's in its layer;
    ``version`` is the one that it was made by, empty for 0.2 and before.
    """

    stack: Stack
    status: str
    changed: datetime
    modules: frozenset[str]
    version: str = ""


def read_deployed(name: str, client: Callable[[str], AwsClient]) -> Deployed:
    """Return a deployed stack.

    Raises:
        ValueError: it isn't one of SilvaEngine's, or its template can't be read on paper.
    """
    from samcli.yamlhelper import yaml_parse

    cloudformation, lambdas = client("cloudformation"), client("lambda")
    (description,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    body = cloudformation.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    template: dict[str, Any] = yaml_parse(body) if isinstance(body, str) else body
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in description.get("Parameters", ())}
    outputs = {each["OutputKey"]: each["OutputValue"] for each in description.get("Outputs", ())}
    if "HttpGatewayArn" not in outputs:
        raise ValueError(f"stack {name!r} has no output HttpGatewayArn: is it one of SilvaEngine's?")
    return Deployed(
        Stack.of(template, name, parameters),
        description["StackStatus"],
        description.get("LastUpdatedTime") or description["CreationTime"],
        frozenset(_modules(lambdas, outputs["HttpGatewayArn"])),
        template.get("Metadata", {}).get("SilvaEngine", {}).get("Version", ""),
    )


def _modules(lambdas: AwsClient, function: str) -> Iterator[str]:
    """Yield the framework's modules in a function's layer."""
    for layer in lambdas.get_function_configuration(FunctionName=function).get("Layers", ()):
        url = lambdas.get_layer_version_by_arn(Arn=layer["Arn"])["Content"]["Location"]
        with urlopen(url, timeout=_LAYER_SECONDS) as response:  # noqa: S310 - Lambda's own URL
            names = zipfile.ZipFile(io.BytesIO(response.read())).namelist()
        for path in names:
            if path.startswith("python/silvaengine/") and path.endswith(".py"):
                module = path.removeprefix("python/").removesuffix(".py").removesuffix("/__init__")
                yield module.replace("/", ".")


def next_stack(template: Mapping[str, Any], deployed: Stack, given: Mapping[str, str]) -> Stack:
    """Return the stack that `sam deploy` makes: a parameter that isn't given keeps its value.

    Raises:
        ValueError: the template doesn't take a parameter or its value.
    """
    kept = {each: value for each, value in deployed.parameters.items() if each in template["Parameters"]}
    return Stack.of(template, deployed.name, {**kept, **given})


def refusals(
    deployed: Deployed, after: Stack, project: Path, now: datetime, *, quiet_time: bool
) -> Iterator[str]:
    """Yield why the update can't begin, each with what to do."""
    before = deployed.stack
    if not deployed.status.endswith("_COMPLETE") or deployed.status.startswith(("DELETE", "ROLLBACK")):
        yield f"the stack is {deployed.status}: only one that is complete can be updated"
    yield from conflicts(before, after)
    for name, resource in before.of_type(*_KEEPS_DATA).items():
        if name not in after.resources and resource.get("DeletionPolicy") != "Retain":
            yield f"{name}: it would be deleted with what it holds; deploy TablesDeletionPolicy=Retain first"
    yield from _earlier_workers(deployed, after, now)
    lacking = sorted(_imports(project) - deployed.modules)
    if deployed.modules and lacking and not quiet_time:
        yield _GAP.format(names=", ".join(lacking[:3]) + ("" if len(lacking) < 4 else " and others"))


def _earlier_workers(deployed: Deployed, after: Stack, now: datetime) -> Iterator[str]:
    before, has_earlier = deployed.stack.parameters, after.parameters[EARLIER_WORKERS] == "true"
    if EARLIER_WORKERS not in before and not has_earlier:
        yield f"{EARLIER_WORKERS}: workers of 0.2 still run during the update: deploy with it true first"
    ends = deployed.changed + timedelta(seconds=int(before["WorkerTimeout"]))
    if before.get(EARLIER_WORKERS) == "true" and not has_earlier and now < ends:
        yield f"{EARLIER_WORKERS}: a worker of 0.2 may still run until {ends:%H:%M:%S} UTC (WorkerTimeout)"


def _imports(project: Path) -> set[str]:
    """Return the layer's modules that the services' code imports."""
    trees = (ast.parse(path.read_text()) for path in project.glob("services/*/silvaengine_*/**/*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {node.module for node in nodes if node.module and node.module.startswith("silvaengine.")}


def changes(before: Stack, after: Stack) -> dict[str, list[str]]:
    """Return which parameters and resources come, go or change, by what becomes of them."""
    old, new = before.parameters, after.parameters
    # SAM names a deployment by what the API is like, so that it is another one after each change.
    later, earlier = (
        {name for name, each in stack.resources.items() if each["Type"] != "AWS::ApiGateway::Deployment"}
        for stack in (after, before)
    )
    return {
        "new parameters": [f"{each}={new[each]}" for each in new if each not in old],
        "removed parameters": [each for each in old if each not in new],
        "changed parameters": [
            f"{each}: {old[each]!r} becomes {new[each]!r}"
            for each in new
            if each in old and old[each] != new[each]
        ],
        "new resources": sorted(later - earlier),
        "removed resources": sorted(earlier - later),
        "changed tables": sorted(
            name
            for name, table in before.of_type("AWS::DynamoDB::Table").items()
            if name in later and before.document(table) != after.document(after.resources[name])
        ),
        "new outputs": sorted(after.outputs.keys() - before.outputs.keys()),
        "removed outputs": sorted(before.outputs.keys() - after.outputs.keys()),
    }


def contract_changes(changelog: str, deployed: str, own: str) -> list[str]:
    """Return what callers and functions may notice of an update: each note's first sentence.

    Args:
        changelog: the text of CHANGELOG.md.
        deployed: the version that the stack was made by, empty for 0.2 and before.
        own: this version.
    """
    if deployed == own:
        return []
    version = deployed or _LAST_UNNAMED
    releases = re.split(r"^## \[(.+?)\].*\n", changelog, flags=re.MULTILINE)[1:]
    later = takewhile(lambda each: each[0] != version, zip(releases[::2], releases[1::2], strict=True))
    sections = (re.split(r"^### (.+)\n", text, flags=re.MULTILINE)[1:] for _, text in later)
    kinds = (pair for each in sections for pair in zip(each[::2], each[1::2], strict=True))
    lines = (
        line.replace("**", "") for kind, text in kinds if kind in _CONTRACT for line in text.splitlines()
    )
    return [re.split(r"(?<=\.) ", line[2:], maxsplit=1)[0] for line in lines if line.startswith("- ")]


def steps(before: Stack, after: Stack, command: str, file: str) -> Iterator[str]:
    """Yield what to do, in this order; ``command`` deploys with the parameters of ``file``."""
    yield f"silvaengine export --stack {before.name} --output backup.yaml"
    yield f"{command}, with these parameters in {file}"
    if "TasksEventsArn" not in before.outputs:
        yield "let triggers of your own (buckets, user pools, bots, rules) invoke the output TasksEventsArn"
    if after.parameters[EARLIER_WORKERS] == "true":
        yield (
            f"when {after.parameters['WorkerTimeout']} s are over, and no alias points to a worker of 0.2: "
            f"{command} with {EARLIER_WORKERS}=false in {file}"
        )
    yield f"silvaengine diff --stack {before.name}, which finds nothing to do"
