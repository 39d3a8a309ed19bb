"""`silvaengine console`: a deployment seen and steered in a browser, by the commands' own operations."""

from importlib.util import find_spec

import click

if any(find_spec(name) is None for name in ("jinja2", "starlette", "uvicorn")):
    raise click.ClickException("the console needs an extra: pip install 'silvaengine-base[cli,console]'")
