"""``prove``: show on an account what is taken from documentation, and leave nothing there."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from silvaengine_cli.deployment import Deployment, account_options
from silvaengine_cli.prove import AREAS

HOURS = 3


@click.command()
@click.option("--profile", help="AWS profile whose account it is.  [default: boto3's]")
@click.option(
    "--budget", type=click.FloatRange(0), default=2.0, show_default=True, help="US dollars at the most."
)
@click.option(
    "--only", "areas", multiple=True, type=click.Choice(AREAS), help="Prove an area alone; may be repeated."
)
@click.option("--keep", is_flag=True, help="Delete nothing at the end.")
@click.option("--sweep", is_flag=True, help="Delete what expired runs have left, and do nothing else.")
@click.option("--run", "named", metavar="NAME", help="With --sweep: what this run has left, expired or not.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where evidence/ and tests/parity/ are written.  [default: the project, for all areas]",
)
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@account_options
def prove(
    deployment: Deployment,
    profile: str | None,
    budget: float,
    areas: tuple[str, ...],
    keep: bool,
    sweep: bool,
    named: str | None,
    folder: Path | None,
    yes: bool,
) -> None:
    """Prove on an account what docs call unproven.

    Deploys a stack of its own, runs the tests that need an account, and deletes everything again. What comes
    of each test is written to evidence/<date>.json. All that a run makes has the run's name in its own, which
    says until when it may exist.

    \b
    Examples:
      silvaengine prove --profile sandbox
      silvaengine prove --local --yes             the engine of `silvaengine dev` is the account
      silvaengine prove --only http --keep
      silvaengine prove --sweep
    """
    from silvaengine_cli.prove.evidence import write
    from silvaengine_cli.prove.names import PREFIX, new_name
    from silvaengine_cli.prove.run import Run, perform, phases

    if named and not sweep:
        raise click.UsageError("--run goes with --sweep")
    if profile:
        os.environ["AWS_PROFILE"] = profile
    if sweep:
        _sweep(deployment, named)
        return
    name = new_name(datetime.now(UTC) + timedelta(hours=HOURS))
    checkout = _examine(deployment, name, budget)
    if not yes:
        click.confirm(f"Deploy {name} there, and delete it again?", abort=True, err=True)
    target = Deployment(stack=name, region=deployment.region, endpoint_url=deployment.endpoint_url)
    with TemporaryDirectory(prefix=PREFIX) as made:
        # The last area deletes the stack.
        run = Run(name, target, checkout, Path(made), areas or (AREAS[:-1] if keep else AREAS))
        try:
            perform(run, phases(run), keep=keep)
        finally:
            if run.results and (folder or not areas):
                click.echo(f"evidence: {write(run, folder or checkout)}")
    if failed := [each["id"] for each in run.results if each["outcome"] == "fail"]:
        raise click.ClickException(f"not as documented: {', '.join(failed)}")


def _examine(deployment: Deployment, name: str, budget: float) -> Path:
    """Show the account and the cost; raise ClickException for what AWS would refuse and above the budget."""
    from silvaengine_cli.costs.prices import dated
    from silvaengine_cli.platform_sources import is_clone
    from silvaengine_cli.preflight.account import find_in_account
    from silvaengine_cli.preflight.rules import RULES
    from silvaengine_cli.preflight.stack import Stack
    from silvaengine_cli.preflight.template import load
    from silvaengine_cli.project import Project
    from silvaengine_cli.prove.deploying import parameters
    from silvaengine_cli.prove.price import cost_of_run

    checkout = Project.find(Path.cwd()).folder
    if not is_clone(checkout):
        raise click.ClickException("the tests that it runs are in a clone of SilvaEngine: run it there")
    stack = Stack.of(load(checkout / "template.yaml"), name, parameters(name))
    account = deployment.client("sts").get_caller_identity()["Account"]
    price = cost_of_run(stack, HOURS)
    kind = f"engine at {deployment.endpoint_url}" if deployment.endpoint_url else "AWS"
    click.echo(f"account {account} ({kind}); at most ${price:.2f} by the prices of {dated()}")
    if price > budget:
        raise click.ClickException(f"a run costs up to ${price:.2f}, the budget is ${budget:.2f}")
    findings = [*(each for rule in RULES for each in rule(stack)), *find_in_account(stack, deployment.client)]
    if findings:
        raise click.ClickException("\n".join(findings))
    return checkout


def _sweep(deployment: Deployment, named: str | None) -> None:
    from silvaengine_cli.prove.leftovers import delete, find
    from silvaengine_cli.prove.names import expiry

    now = datetime.now(UTC)

    def wanted(run: str) -> bool:
        return run == named if named else expiry(run) < now

    found = find(deployment.client, wanted)
    for each in found:
        click.echo(str(each))
    left = delete(deployment.client, wanted)
    if left:
        raise click.ClickException("these stay:\n" + "\n".join(f"  {each}" for each in left))
    click.echo(f"{len(found)} deleted" if found else "no run has left anything")
