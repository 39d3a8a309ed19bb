"""How large the console may become."""

from silvaengine_cli.console import app

MOST_LINES = 2500
OTHERS = (".min.js", ".min.css")


def test_the_console_stays_small() -> None:
    """Its Python, templates, styles and script, without what ships of others."""
    files = (path for end in ("py", "html", "css", "js") for path in app.FILES.parent.rglob(f"*.{end}"))
    own = [path for path in files if not path.name.endswith(OTHERS)]
    assert sum(len(path.read_text().splitlines()) for path in own) <= MOST_LINES
