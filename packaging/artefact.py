"""Build the artefact of the layer or of one function; `sam build` calls this through the Makefile beside it.

`silvaengine publish` builds by it what a package has beside the worker: its locked requirements, its modules.

It runs in a folder of sources and needs only Python's standard library and uv. Bytecode ships with the
sources: a Lambda's file system is read-only, so without it every cold start would compile every module. The
same sources give the same bytes, so that only changed artefacts are deployed.
"""

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from py_compile import PycInvalidationMode

PROJECT = Path(__file__).resolve().parent.parent
WORKER = "silvaengine_worker"
FRAMEWORK = ("silvaengine", "silvaengine_base", "silvaengine_utility")

# Modules of the layer and of Lambda's runtime, which an operator's package of the same name would shadow;
# requirements may have their own versions.
RESERVED_NAMES = PROJECT / "cli/silvaengine_cli/packages/reserved_names.txt"

# Requirements that the layer fulfils and no registry has; the command reads the same file.
PROVIDED_REQUIREMENTS = PROJECT / "cli/silvaengine_cli/packages/provided_requirements.txt"

REQUIREMENTS = ("requirements.txt", "jwt-requirements.txt")

MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
INSTALLER_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
ZIP_EPOCH = 315_532_800


def main() -> None:
    """Read the command line and build one artefact."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("artefact", type=Path)
    parser.add_argument("--architecture", choices=MACHINES, required=True)
    options = parser.parse_args()
    options.artefact.mkdir(parents=True, exist_ok=True)
    machine = MACHINES[options.architecture]
    if options.target == "SharedLayer":
        build_layer(options.artefact / "python", machine)
    elif options.target == "PackageRequirements":
        build_package_requirements(options.artefact, machine)
    elif options.target == "Package":
        build_package(options.artefact)
    else:
        build_service(options.target, options.artefact, machine)
    normalize(options.artefact)


def build_layer(folder: Path, machine: str) -> None:
    """Build the layer: the locked requirements, and the framework."""
    # The lock has every dependency; those that it leaves out are in Lambda's runtime.
    options = ("--require-hashes", "--no-deps", "--only-binary=:all:")
    install([Path("requirements.txt")], folder, machine, *options)
    compile_all([folder], folder, "/opt/python")
    copy([Path(name) for name in FRAMEWORK if Path(name).is_dir()], folder, "/opt/python")


def build_service(target: str, folder: Path, machine: str) -> None:
    """Build a function: its own code, and the operator's packages if lambdas.toml names their folder.

    Raises:
        SystemExit: lambdas.toml doesn't have the function, or its operator's packages can't be built.
    """
    declared = tomllib.loads(Path("lambdas.toml").read_text())
    if target not in declared:
        raise SystemExit(f"{target} is not in lambdas.toml of its sources")
    if "operators" in declared[target]:
        add_operators_packages(Path(declared[target]["operators"]), folder, machine)
    copy(Path().glob("silvaengine_*/"), folder, "/var/task")


def add_operators_packages(source: Path, folder: Path, machine: str) -> None:
    """Add an operator's packages with their requirements, and the list of them.

    Raises:
        SystemExit: the folder is missing, or a package has the name of another or of a provided module.
    """
    if not source.is_dir():  # a link to authorizers/, which not every system or archive keeps
        raise SystemExit(f"{source}/ is missing in the sources")
    files = [source / name for name in REQUIREMENTS if (source / name).is_file()]
    if files:
        install(files, folder, machine, "--no-editable", "--excludes", str(PROVIDED_REQUIREMENTS))
    compile_all([folder], folder, "/var/task")
    refuse_framework(folder)
    add_modules(source, folder, f"silvaengine_{source.name}.txt")


def build_package_requirements(folder: Path, machine: str) -> None:
    """Install what the lock of a package names.

    Raises:
        SystemExit: it can't be installed, or would run only here.
    """
    install([Path("requirements.lock")], folder, machine, "--require-hashes", "--no-deps")
    for wheel in sorted(folder.glob("*.dist-info/WHEEL")):
        if re.search(r"^Tag: \S+-(linux|macosx)_", wheel.read_text(), re.MULTILINE):
            name = wheel.parent.stem.partition("-")[0]
            raise SystemExit(
                f"{name} has no wheel for Lambda on {machine}; one that is built here runs only here"
            )
    compile_all([folder], folder, "/var/task")
    refuse_framework(folder)


def build_package(folder: Path) -> None:
    """Build a package's modules, with the list of them; see ``add_modules``."""
    add_modules(Path(), folder, "silvaengine_functions.txt")


def refuse_framework(folder: Path) -> None:
    """Raise SystemExit if requirements brought a package of the layer's."""
    if taken := {path.name for path in folder.iterdir()}.intersection(FRAMEWORK):
        raise SystemExit(f"the requirements have {', '.join(sorted(taken))}, which the layer provides")


def add_modules(source: Path, folder: Path, manifest: str) -> None:
    """Add the packages and modules of a folder, and the list of those that may be imported.

    Raises:
        SystemExit: one has the name of another or of a provided module, or a syntax error.
    """
    packages = shipped_packages(source)
    reserved = {*RESERVED_NAMES.read_text().split(), WORKER}
    if taken := reserved.intersection(path.stem for path in packages):
        names = ", ".join(sorted(taken))
        raise SystemExit(f"{source.resolve().name}/ has {names}, which the layer or Lambda provides")
    copy(packages, folder, "/var/task")
    importable = (path.stem for path in packages if path.suffix == ".py" or (path / "__init__.py").is_file())
    (folder / manifest).write_text("".join(f"{name}\n" for name in importable))


def shipped_packages(source: Path) -> list[Path]:
    """Return the folders and modules of an operator's folder that ship: all but tests and hidden ones."""
    excluded = ("tests", "conftest.py", "__pycache__")
    return [
        path
        for path in sorted(source.glob("*"))
        if (path.is_dir() or path.suffix == ".py")
        and path.name not in excluded
        and not path.name.startswith((".", "test_"))
    ]


def copy(paths: Iterable[Path], folder: Path, deployed: str) -> None:
    """Copy packages and modules into the artefact's root and compile them; a syntax error fails the build."""
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
    """Write bytecode that Python uses without a look at the source; tracebacks have the deployed paths."""
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
    """Install requirements for Lambda's platform.

    Raises:
        SystemExit: uv is missing, or can't install them.
    """
    requirements = [word for path in files for word in ("-r", str(path))]
    uv = shutil.which("uv", path=f"{PROJECT / '.bootstrap/bin'}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise SystemExit("uv is needed to install the requirements: run `make setup`")
    # Lambda's python3.13 is Amazon Linux 2023, whose glibc is 2.34.
    platform = ["--python-platform", f"{machine}-manylinux_2_34"]
    target = ["--python", sys.executable, "--target", str(folder), "--link-mode", "copy"]
    command = [uv, "pip", "install", "--quiet", *target, *platform, *options, *requirements]
    if status := subprocess.run(command, check=False).returncode:
        # Without a network, what was built before is built again from uv's cache.
        offline = subprocess.run([*command, "--offline"], stderr=subprocess.DEVNULL, check=False)
        if offline.returncode:
            raise SystemExit(status)


def normalize(artefact: Path) -> None:
    """Remove traces of this machine and moment: installers' notes, scripts, modes, times."""
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
