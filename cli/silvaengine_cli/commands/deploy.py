"""``deploy``: the platform, an application's packages and its registry, to a stage on AWS."""

from pathlib import Path

import click

from silvaengine_cli.commands.publish import publish
from silvaengine_cli.commands.registry import apply
from silvaengine_cli.deployment import Deployment, account_options
from silvaengine_cli.packages import package_folders


@click.command()
@click.option("--stage", "name", required=True, help="Stage of silvaengine.toml.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask before the stack changes.")
@account_options
@click.pass_context
def deploy(context: click.Context, deployment: Deployment, name: str, yes: bool) -> None:
    """Deploy a stage: its stack, packages and registry.

    The parameters are those of silvaengine.toml; one that isn't there has its default. CloudFormation's
    change set is shown and asked for first. `silvaengine upgrade STAGE` says before what a newer version
    changes. Whatever fails, repeat it: what is done stays done.

    \b
    Examples:
      silvaengine deploy --stage prod
      silvaengine deploy --stage prod --local     rehearse it on the engine of `silvaengine dev`
    """
    from silvaengine_cli.project import Project
    from silvaengine_cli.stages import deploy_stage, target_of

    project = Project.find(Path.cwd())
    stage = project.stage(name)
    target = target_of(stage, deployment)
    deploy_stage(project, stage, target, confirm=not yes)
    where = {"stack": target.stack, "region": target.region, "endpoint_url": target.endpoint_url}
    for package in package_folders(project.folder):
        context.invoke(publish, path=project.packages / package, **where)
    if project.registry.is_file():
        context.invoke(apply, file=project.registry, **where)
