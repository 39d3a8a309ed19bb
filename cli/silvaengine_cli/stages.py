"""Deploys a stage of an application: what `sam deploy` is told."""

from collections.abc import Mapping
from pathlib import Path

from silvaengine_cli.deploy import DeployError, account_environment, override, run_sam
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.platform_sources import is_clone
from silvaengine_cli.preflight.template import declared_in, parameters_of
from silvaengine_cli.project import Project, Stage


def all_parameters(platform: Path, given: Mapping[str, str], endpoint_url: str | None) -> dict[str, str]:
    """Return the values of all of the template's parameters.

    `sam deploy` keeps those that it isn't told; so one that isn't given any more has its default again.

    Args:
        platform: the folder with the template.
        given: values that differ from the defaults.
        endpoint_url: URL of an engine, None for AWS.

    Raises:
        DeployError: the template doesn't take a parameter or its value.
    """
    local = {"LocalEndpoint": endpoint_url, "AwsEndpointUrl": endpoint_url} if endpoint_url else {}
    try:
        return parameters_of(
            declared_in(platform / "template.yaml", "Parameters", "Rules"), {**given, **local}
        )
    except ValueError as error:
        raise DeployError(str(error)) from None


def parameters_to_deploy(project: Project, stage: Stage, endpoint_url: str | None) -> dict[str, str]:
    """Return the parameters with which a stage is deployed, as ``all_parameters``.

    In a clone those of samconfig.toml alone: `sam deploy` keeps the others.
    """
    if is_clone(project.folder):
        return dict(stage.parameters)
    return all_parameters(project.platform(), stage.parameters, endpoint_url)


def target_of(stage: Stage, chosen: Deployment) -> Deployment:
    """Return a stage's deployment in the account that options have chosen; an engine has its own region."""
    region = chosen.region if chosen.endpoint_url else stage.region or chosen.region
    return Deployment(stack=stage.stack, region=region, endpoint_url=chosen.endpoint_url)


def deploy_stage(project: Project, stage: Stage, deployment: Deployment, *, confirm: bool) -> None:
    """Build the platform and deploy a stage with `sam deploy`, which shows what it changes.

    What is built is a stage's and a processor's own: `silvaengine dev` may be building, too, and sam keeps a
    build by its sources alone.

    Raises:
        DeployError: sam failed, or whoever was asked didn't want it.
    """
    platform = project.platform()
    architecture = stage.parameters.get("Architecture", "x86_64")
    place = platform / ".aws-sam" / f"{stage.name}-{architecture}"
    build = ["build", "--build-dir", str(place / "build"), "--cache-dir", str(place / "cache")]
    run_sam(build, platform, {"ARCHITECTURE": architecture})
    own = [
        *("--resolve-s3", "--no-fail-on-empty-changeset"),
        *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
    ]
    command = [
        *("deploy", "--template-file", str(place / "build" / "template.yaml")),
        *("--config-file", str(platform / "samconfig.toml")),  # sam would look beside the template
        *("--stack-name", deployment.stack),
        "--confirm-changeset" if confirm else "--no-confirm-changeset",
        *(["--config-env", stage.name] if is_clone(project.folder) else own),
        *override(parameters_to_deploy(project, stage, deployment.endpoint_url)),
    ]
    before = waiting_changes(deployment)
    run_sam(command, platform, account_environment(deployment), shown=True)
    if waiting_changes(deployment) - before:  # for sam that is no failure
        raise DeployError(f"stack {deployment.stack} was not changed, since you didn't want it")


def waiting_changes(deployment: Deployment) -> set[str]:
    """Return the names of a stack's change sets that wait for somebody to execute them."""
    cloudformation = deployment.client("cloudformation")
    try:
        listed = cloudformation.list_change_sets(StackName=deployment.stack)["Summaries"]
    except cloudformation.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("ChangeSetNotFound", "ValidationError"):
            raise
        return set()
    return {each["ChangeSetName"] for each in listed if each.get("ExecutionStatus") == "AVAILABLE"}
