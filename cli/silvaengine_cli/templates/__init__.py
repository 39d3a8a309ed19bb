"""What ``new``, ``init`` and ``packages new`` write: texts for ``string.Template``."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

import click

# Of a published package, by the files' paths in its folder; {} stands for its name.
PACKAGE_TEMPLATES = {
    "package.yaml": "published.yaml.txt",
    "{}/__init__.py": "published.py.txt",
    "requirements.txt": "requirements.txt.txt",
    "tests/test_{}.py": "test_published.py.txt",
}


def write_templates(templates: Mapping[Path, str], **names: str) -> None:
    """Write files, given by their templates' names, and say so; raise ClickException if one is there."""
    if existing := [str(path) for path in templates if path.exists()]:
        raise click.ClickException(f"{', '.join(existing)}: exists already; nothing was written")
    for path, template in templates.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (files(__name__) / template).read_text()
        path.write_text(Template(text).substitute(names))
        click.echo(f"wrote {path}")
