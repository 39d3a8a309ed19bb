"""Makes the artefact of the layer or of one function; `sam build` calls it through the Makefile beside it.

It runs in a folder of sources with nothing but Python's standard library and uv or pip. Bytecode ships with
the sources: a Lambda's file system is read-only, so without it every cold start would compile every module.
The same sources give the same bytes, so that only what changed is deployed.
"""

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).resolve().parent.parent
SERVICES = {
    "HttpGateway": "silvaengine_http",
    "WebsocketGateway": "silvaengine_websocket",
    "Broadcaster": "silvaengine_websocket",
    "Tasks": "silvaengine_tasks",
    "Worker": "silvaengine_worker",
    "WorkerIsolated": "silvaengine_worker",
}
FRAMEWORK = ("silvaengine", "silvaengine_base", "silvaengine_utility")

# What the layer and Lambda's runtime bring: a package of such a name would stand before it on the path.
# Requirements may bring versions of their own. The same list is in cli/silvaengine_cli/packages/__init__.py.
BROUGHT = {
    *FRAMEWORK,
    "_yaml", "awslambdaric", "boto3", "botocore", "dateutil", "diskcache", "jmespath", "msgspec", "pynamodb",
    "redis", "runtime_client", "s3transfer", "simplejson", "six", "snapshot_restore_py", "urllib3", "yaml",
}  # fmt: skip

# What the operator adds to a service: the folder of packages, and where the artefact lists them.
OPERATORS = {
    "HttpGateway": (Path("authorizers"), "silvaengine_authorizers.txt"),
    "WebsocketGateway": (Path("authorizers"), "silvaengine_authorizers.txt"),
    "Worker": (Path("functions"), "silvaengine_functions.txt"),
    "WorkerIsolated": (Path("functions"), "silvaengine_functions.txt"),
}
REQUIREMENTS = ("requirements.txt", "jwt-requirements.txt")

# What function packages of the predecessor require by name: the layer brings it, and no registry has it.
OURS = re.compile(r"\s*silvaengine[-_.]+(base|utility)(?![\w.-])", re.IGNORECASE)

# Lambda's python3.13 is Amazon Linux 2023, whose glibc is 2.34.
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
PIP_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux2014")
INSTALLER_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
ZIP_EPOCH = 315_532_800


def main() -> None:
    """Read the command line and make one artefact."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=["SharedLayer", *SERVICES])
    parser.add_argument("artefact", type=Path)
    parser.add_argument("--architecture", choices=MACHINES, required=True)
    given = parser.parse_args()
    given.artefact.mkdir(parents=True, exist_ok=True)
    if given.target == "SharedLayer":
        make_layer(given.artefact / "python", MACHINES[given.architecture])
    elif given.target in OPERATORS:
        make_service(given.target, given.artefact, MACHINES[given.architecture])
    else:
        copy([Path(SERVICES[given.target])], given.artefact, "/var/task")
    normalize(given.artefact)


def make_layer(folder: Path, machine: str) -> None:
    """Fill the layer: what the lock pins, and the framework."""
    # The lock names every dependency; those that it leaves out are in Lambda's runtime.
    options = ("--require-hashes", "--no-deps", "--only-binary=:all:")
    install([Path("requirements.txt")], folder, machine, *options)
    compile_all([folder], folder, "/opt/python")
    copy([Path(name) for name in FRAMEWORK if Path(name).is_dir()], folder, "/opt/python")


def make_service(target: str, folder: Path, machine: str) -> None:
    """Fill a function: its own code, the operator's packages and what these require.

    Raises:
        SystemExit: a name is taken, or the packages' and their requirements' both; or the folder is missing.

    """
    source, manifest = OPERATORS[target]
    if not source.is_dir():  # a link to authorizers/, which not every system or archive keeps
        raise SystemExit(f"{source}/ is missing in the sources of {target}")
    with TemporaryDirectory() as scratch:
        requirements = [source / name for name in REQUIREMENTS if (source / name).is_file()]
        if foreign := [foreign_requirements(path, Path(scratch)) for path in requirements]:
            install(foreign, folder, machine)
    compile_all([folder], folder, "/var/task")
    packages = shipped_packages(source)
    required = {path.name for path in folder.iterdir()}
    if taken := BROUGHT.intersection(path.stem for path in packages) | required.intersection(FRAMEWORK):
        raise SystemExit(f"{source}/ has {', '.join(sorted(taken))}, which the layer or Lambda brings")
    copy([Path(SERVICES[target]), *packages], folder, "/var/task")
    importable = (path.stem for path in packages if path.suffix == ".py" or (path / "__init__.py").is_file())
    (folder / manifest).write_text("".join(f"{name}\n" for name in importable))


def foreign_requirements(requirements: Path, scratch: Path) -> Path:
    """Return the requirements without those that the layer fulfils; each is left out with a notice."""
    lines = requirements.read_text().splitlines(keepends=True)
    ours = [line for line in lines if OURS.match(line)]
    if not ours:
        return requirements
    for line in ours:
        print(f"{requirements}: {line.strip()} is left out: the layer brings it", file=sys.stderr)  # noqa: T201
    kept = scratch / requirements.name
    kept.write_text("".join(line for line in lines if line not in ours))
    return kept


def shipped_packages(source: Path) -> list[Path]:
    """List the folders and modules of an operator's folder that ship: all but tests and what is hidden."""
    unwanted = ("tests", "conftest.py", "__pycache__")
    return [
        path
        for path in sorted(source.glob("*"))
        if (path.is_dir() or path.suffix == ".py")
        and path.name not in unwanted
        and not path.name.startswith((".", "test_"))
    ]


def copy(paths: Iterable[Path], folder: Path, deployed: str) -> None:
    """Copy packages and modules into the artefact's root and compile them; a syntax error ends the build."""
    copies = []
    for source in paths:
        target = folder / source.name
        if target.exists():
            raise SystemExit(f"{source} would overwrite what is in the artefact")
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copyfile(source, target)
        copies.append(target)
    if not compile_all(copies, folder, deployed):
        raise SystemExit(1)


def compile_all(paths: Iterable[Path], folder: Path, deployed: str) -> bool:
    """Write bytecode that Python takes without looking at the source; tracebacks name the deployed paths."""
    compiled = []
    for path in paths:
        compile_path = compileall.compile_dir if path.is_dir() else compileall.compile_file
        compiled.append(
            compile_path(
                path,
                quiet=1,
                stripdir=str(folder),
                prependdir=deployed,
                invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
            )
        )
    return all(compiled)


def install(files: Iterable[Path], folder: Path, machine: str, *options: str) -> None:
    """Install requirements for Lambda's platform by uv or pip, whichever is there."""
    requirements = [word for path in files for word in ("-r", str(path))]
    uv = shutil.which("uv", path=f"{PROJECT / '.bootstrap/bin'}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv:
        platform = ["--python-platform", f"{machine}-manylinux_2_34"]
        target = ["--python", sys.executable, "--target", str(folder), "--link-mode", "copy"]
        run([uv, "pip", "install", "--quiet", *target, *platform, *options, *requirements])
    elif find_spec("pip"):
        install_by_pip(requirements, folder, machine, *options)
    else:
        raise SystemExit("uv or pip is needed to install the requirements: run `make setup`")


def install_by_pip(requirements: list[str], folder: Path, machine: str, *options: str) -> None:
    """Install by pip, which takes only wheels for a foreign platform: what has none is built to one first."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    platforms = [f"--platform={tag}_{machine}" for tag in PIP_PLATFORMS]
    with TemporaryDirectory() as wheels:
        if not options:
            run([*pip, "wheel", "--wheel-dir", wheels, *requirements])
            options = ("--only-binary=:all:", "--no-index", f"--find-links={wheels}")
        target = ["--no-compile", "--target", str(folder)]
        run([*pip, "install", *target, *platforms, *options, *requirements])


def run(command: list[str]) -> None:
    """Run a command whose failure ends the build."""
    if status := subprocess.run(command, check=False).returncode:
        raise SystemExit(status)


def normalize(artefact: Path) -> None:
    """Remove what tells of this machine and moment: installers' notes, scripts, modes, times."""
    for folder in (artefact, artefact / "python"):
        shutil.rmtree(folder / "bin", ignore_errors=True)
        (folder / ".lock").unlink(missing_ok=True)
    for name in INSTALLER_NOTES:
        for note in artefact.rglob(f"*.dist-info/{name}"):
            note.unlink()
    for path in (*artefact.rglob("*"), artefact):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (ZIP_EPOCH, ZIP_EPOCH))


if __name__ == "__main__":
    main()
