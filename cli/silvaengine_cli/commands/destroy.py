"""``destroy``: delete a stack."""

import click

from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.output import print_result
from silvaengine_cli.publishing.deletion import Deletion
from silvaengine_cli.stack_deletion import delete_stack, package_stacks


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@operator_options
def destroy(deployment: Deployment, yes: bool, as_json: bool) -> None:
    """Delete the stack, and its packages, whose stacks need it.

    Functions, APIs and logs go, and so do tables and other data, unless their policy retains them.

    \b
    Examples:
      silvaengine destroy --stack silvaengine-test
      silvaengine destroy --local --yes
    """
    tables = deployment.output("TablePrefix")
    client = deployment.client("cloudformation")
    packages = package_stacks(client, deployment.stack)
    if not yes:
        also = f" and its packages {', '.join(packages)}" if packages else ""
        click.confirm(
            f"Delete stack {deployment.stack!r}{also} with the tables {tables}* that it doesn't retain?",
            abort=True,
            err=True,
        )
    own = client.describe_stacks(StackName=deployment.stack)["Stacks"][0]["StackId"]
    retained = []
    for package in packages:  # before the platform: their stacks need a role of its own
        retained += Deletion(deployment, package).run(lambda line: click.echo(line, err=True))
    retained += delete_stack(deployment, own)
    text = "\n  retained: ".join([f"stack {deployment.stack} is deleted", *retained])
    print_result({"stack": deployment.stack, "deleted": True, "retained": retained}, text, as_json=as_json)
