"""``announce``: have running functions see rows that other tools wrote."""

import click

from silvaengine_cli import operator
from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.output import print_result


@click.command()
@operator_options
def announce(deployment: Deployment, as_json: bool) -> None:
    """Have running functions see rows that other tools wrote.

    Run it after the console, a script or a registrar has written into the tables: rows are then seen within
    seconds, with Redis at the next request, as after `apply`; without it when the old ones expire in memory.

    \b
    Examples:
      silvaengine announce --stack silvaengine
      silvaengine announce --table-prefix se- --region eu-west-1
    """
    operator.announce_rows(deployment)
    print_result({"announced": True}, "announced: rows are seen within seconds", as_json=as_json)
