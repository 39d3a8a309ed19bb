"""The ``silvaengine`` command; each subcommand is imported when it is used."""

from importlib import import_module

import click

from silvaengine_cli.failures import failure_text, known_errors

_COMMANDS = {
    "new": "silvaengine_cli.commands.new:new",
    "init": "silvaengine_cli.commands.init:init",
    "dev": "silvaengine_cli.dev:dev",
    "deploy": "silvaengine_cli.commands.deploy:deploy",
    "validate": "silvaengine_cli.commands.registry:validate",
    "diff": "silvaengine_cli.commands.registry:diff",
    "apply": "silvaengine_cli.commands.registry:apply",
    "announce": "silvaengine_cli.commands.announce:announce",
    "publish": "silvaengine_cli.commands.publish:publish",
    "packages": "silvaengine_cli.commands.packages:packages",
    "releases": "silvaengine_cli.commands.releases:releases",
    "canary": "silvaengine_cli.commands.canary:canary",
    "promote": "silvaengine_cli.commands.canary:promote",
    "rollback": "silvaengine_cli.commands.releases:rollback",
    "pin": "silvaengine_cli.commands.releases:pin",
    "unpin": "silvaengine_cli.commands.releases:unpin",
    "export": "silvaengine_cli.commands.registry:export",
    "preflight": "silvaengine_cli.commands.preflight:preflight",
    "upgrade": "silvaengine_cli.commands.upgrade:upgrade",
    "prove": "silvaengine_cli.commands.prove:prove",
    "import": "silvaengine_cli.commands.migration:import_",
    "doctor": "silvaengine_cli.commands.doctor:doctor",
    "list": "silvaengine_cli.commands.inspect:list_",
    "show": "silvaengine_cli.commands.inspect:show",
    "openapi": "silvaengine_cli.commands.openapi:openapi",
    "client": "silvaengine_cli.commands.openapi:client",
    "mcp": "silvaengine_cli.commands.mcp:mcp",
    "keys": "silvaengine_cli.commands.keys:keys",
    "secrets": "silvaengine_cli.commands.secrets:secrets",
    "tenant": "silvaengine_cli.commands.tenant:tenant",
    "status": "silvaengine_cli.commands.status:status",
    "console": "silvaengine_cli.commands.console:console",
    "logs": "silvaengine_cli.commands.logs:logs",
    "worker": "silvaengine_cli.commands.worker:worker",
    "usage": "silvaengine_cli.commands.usage:usage",
    "cost": "silvaengine_cli.commands.cost:cost",
    "trace": "silvaengine_cli.commands.trace:trace",
    "jobs": "silvaengine_cli.commands.jobs:jobs",
    "dlq": "silvaengine_cli.commands.dlq:dlq",
    "events": "silvaengine_cli.commands.events:events",
    "cache": "silvaengine_cli.commands.cache:cache",
    "ws": "silvaengine_cli.commands.ws:ws",
    "invoke": "silvaengine_cli.commands.invoke:invoke",
    "destroy": "silvaengine_cli.commands.destroy:destroy",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.ClickException:
            raise
        except known_errors() as error:
            raise click.ClickException(failure_text(error)) from error


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="silvaengine-base", prog_name="silvaengine")
def cli() -> None:
    """Functions as rows of a registry, in your own AWS account.

    \b
    A first function:
      silvaengine new shop              makes an application with one
      cd shop && silvaengine dev        runs everything on this machine
      silvaengine invoke demo hello --param name=Ada --local

    \b
    On AWS:
      silvaengine deploy --stage prod
      silvaengine publish packages/hello --stage prod
      silvaengine rollback hello --stage prod

    Exit codes: 0 done, 1 it failed (or `diff --exit-code` found differences), 2 the command line is wrong.
    """


def main() -> None:
    """Run the command line."""
    cli(prog_name="silvaengine")
