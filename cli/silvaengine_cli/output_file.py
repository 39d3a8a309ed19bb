"""Files that commands write: only their owner may read them, since they hold API keys or settings."""

from collections.abc import Callable
from pathlib import Path

import click


def output_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add the options ``--output``, as ``output``, and ``--force``."""
    path = click.Path(path_type=Path, dir_okay=False)
    output = click.option("--output", "-o", type=path, help="File to write.  [default: stdout]")
    return output(click.option("--force", is_flag=True, help="Replace an existing file.")(command))


def check_new(output: Path | None, *, force: bool) -> None:
    """Raise ClickException if a file exists that may not be replaced."""
    if output and output.exists() and not force:
        raise click.ClickException(f"{output} exists already; --force replaces it")


def write_private(output: Path, text: str) -> None:
    """Write a file that only its owner may read; raises ClickException."""
    try:
        output.touch(mode=0o600)
        output.chmod(0o600)  # it may have existed
        output.write_text(text)
    except OSError as error:
        raise click.ClickException(f"{output} can't be written: {error.strerror}") from error
