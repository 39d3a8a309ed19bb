"""``canary`` and ``promote``: a release that serves some of the tenants, and then all."""

from dataclasses import asdict

import click

from silvaengine.aws.table_client import Row
from silvaengine_cli.commands.releases import package_argument, say
from silvaengine_cli.commands.rollout_options import WHOM, ramp_option, warm_option
from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.output import print_result
from silvaengine_cli.publishing.coverage import share_text
from silvaengine_cli.publishing.rollback import Pointing
from silvaengine_cli.publishing.rollout import Rollout


@click.command()
@package_argument
@click.argument("whom", type=WHOM)
@operator_options
def canary(deployment: Deployment, package: str, whom: Row, as_json: bool) -> None:
    """Let a package's canary serve more tenants.

    WHOM is a share of them such as 50%, names such as acme,globex, or both.
    A tenant that it serves keeps it, until it serves all or is taken back.

    \b
    Examples:
      silvaengine canary shop 50% --stack silvaengine
      silvaengine canary shop globex,initech --stack silvaengine
    """
    pointer, tenants = Pointing(deployment, package, say).grow(whom)
    running = pointer["canary"]
    text = (
        f"release {running['release']} of {package} is a canary for {share_text(running)}\n"
        f"tenants since now: {', '.join(tenants) or 'none'}"
    )
    print_result({**running, "package": package, "since_now": tenants}, text, as_json=as_json)


@click.command()
@package_argument
@warm_option
@ramp_option
@operator_options
def promote(deployment: Deployment, package: str, warm: int | None, ramp: int, as_json: bool) -> None:
    """Let a package's canary serve all tenants.

    `rollback` takes it back instead.

    \b
    Examples:
      silvaengine promote shop --stack silvaengine
      silvaengine promote shop --ramp 60s --stack silvaengine
    """
    turn = Pointing(deployment, package, say).promote(Rollout(warm=warm, ramp=ramp))
    print_result(asdict(turn), str(turn), as_json=as_json)
