"""``console``: a deployment in a browser."""

import signal
import webbrowser

import click

from silvaengine_cli.deployment import Deployment, deployment_options


@click.command()
@click.option(
    "--port", type=click.IntRange(1024, 65535), default=None, help="Port to listen on.  [default: a free one]"
)
@click.option("--write", is_flag=True, help="Let pages change something, once that was confirmed.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@deployment_options
def console(deployment: Deployment, port: int | None, write: bool, no_browser: bool) -> None:
    """See a deployment in a browser, and steer it with --write.

    Pages do what commands do, with your own credentials, and show the command. Only this machine reaches
    them, and only by the address that is printed; it is as secret as the credentials. Ctrl-C ends it.

    \b
    Examples:
      silvaengine console --local
      silvaengine console --local --write
      silvaengine console --stage prod --no-browser
    """
    from silvaengine_cli.console.serving import running_console  # lazy: an extra of its own
    from silvaengine_cli.console.session import Session

    _ = deployment.stack_status  # a stack that isn't there is said here
    session = Session(deployment, may_write=write)
    with running_console(session, port or 0) as address:
        session.open_clients()
        click.echo(f"console of {deployment.stack}: {address}\nCtrl-C ends")
        if not no_browser:
            webbrowser.open(address)
        try:
            signal.pause()
        except KeyboardInterrupt:
            click.echo("\nended")
