"""``worker``: releases of the stack's worker by its alias, and the way back."""

from dataclasses import asdict

import click

from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.output import print_result
from silvaengine_cli.worker_alias import Move, WorkerAlias


@click.group()
def worker() -> None:
    """Let a version of the worker serve, and take it back.

    Calls go to the version that the stack's WorkerAlias points to. Published packages have releases of their
    own: see `silvaengine rollback`.

    \b
    Examples:
      silvaengine worker release --stack silvaengine
      silvaengine worker rollback --stack silvaengine
    """


@worker.command()
@click.option("--alias", default="", help="Alias to make or move.  [default: the stack's WorkerAlias]")
@operator_options
def release(deployment: Deployment, alias: str, as_json: bool) -> None:
    """Publish the worker's newest code as a version, and let it serve.

    \b
    Examples:
      silvaengine worker release --alias live --stack silvaengine
    """
    _say(WorkerAlias(deployment, alias).release(), as_json=as_json)


@worker.command()
@click.option(
    "--to",
    "version",
    type=click.IntRange(1),
    metavar="VERSION",
    help="Version to go back to.  [default: the one before]",
)
@operator_options
def rollback(deployment: Deployment, version: int | None, as_json: bool) -> None:
    """Let the worker's version before serve again, within a moment.

    \b
    Examples:
      silvaengine worker rollback --stack silvaengine
      silvaengine worker rollback --to 12 --stack silvaengine
    """
    _say(WorkerAlias(deployment).roll_back(version), as_json=as_json)


def _say(move: Move, *, as_json: bool) -> None:
    text = f"{move.alias} points to version {move.version} of the worker"
    print_result(asdict(move), f"{text}, before to {move.before}" if move.before else text, as_json=as_json)
