"""What `sam build` makes, as Lambda would load it."""

import importlib.util
import json
import marshal
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from types import CodeType

import pytest
import redis

from silvaengine_cli.packages import RESERVED_NAMES
from silvaengine_cli.publishing.artefact import LAYER_BYTES

from .conftest import LAMBDAS, PROJECT, copy_sources

HANDLERS = {name: LAMBDAS[name]["Properties"]["Handler"].removesuffix(".handler") for name in LAMBDAS}
SOURCES = {"SharedLayer": "shared", **{name: LAMBDAS[name]["Properties"]["CodeUri"] for name in LAMBDAS}}
# What may be loaded of the standard library before the first event, beside what Lambda's runtime client has
# loaded by then. Every cold start pays for a name more: dataclasses, for one, brings inspect, ast and dis.
RUNTIME_LOADED = "decimal, enum, functools, json, logging, re, threading"
TLS = {"array", "base64", "binascii", "errno", "math", "select", "selectors", "socket", "ssl", "struct"}
USUAL = {"contextvars", "gc", "hashlib", "hmac", "typing", *TLS}
STANDARD = {
    "silvaengine_websocket.broadcast_app": {"concurrent", "heapq", "queue", *USUAL},
    "silvaengine_tasks.sweeper_app": {"bisect", "random", *USUAL},
    "silvaengine_tasks.usage_app": {"concurrent", "datetime", "heapq", "queue", *USUAL},
    # Signatures, dataclasses and paths are what the worker's functions are made of.
    "silvaengine_worker.app": {
        "base64",
        "binascii",
        "contextvars",
        "datetime",
        "gc",
        "math",
        "signal",
        "struct",
        "typing",
        "uuid",
    }
    | {"dataclasses", "copy", "inspect", "ast", "dis", "importlib", "opcode", "token", "tokenize"}
    | {"pathlib", "encodings", "errno", "fnmatch", "glob", "grp", "ntpath", "pwd"},
}
RUNTIME_PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
# What a tenant's requirements may bring in any version: it must not disturb our own code.
SHADOWING = ("botocore", "diskcache", "hiredis", "msgspec", "pynamodb", "redis", "yaml")

LIST_MODULES = f"""
import {RUNTIME_LOADED}, sys
sys.path[:0] = sys.argv[2:4]
sys.path.append(sys.argv[4])
standard = set(sys.stdlib_module_names)
before = set(sys.modules)
module = __import__(sys.argv[1], fromlist=["handler"])
assert callable(module.handler)
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
public = [name for name in loaded & standard if not name.startswith("_")]
print(json.dumps([module.__file__, sorted(loaded - standard), public]))
"""


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what Lambda's Python has beside the standard library, and nothing else."""
    folder = tmp_path_factory.mktemp("runtime")
    installed = Path(redis.__file__).parents[1]
    for name in RUNTIME_PACKAGES:
        (folder / name).symlink_to(installed / name)
    return folder


def load(function: str, task: Path, built: Path, runtime: Path) -> tuple[Path, set[str], set[str]]:
    """Import a function's handler as Lambda does: /var/task, then /opt/python, then the runtime.

    Gives where the handler is, which packages were loaded, and which modules of the standard library.
    """
    python = Path(sys.base_prefix) / "bin/python3.13"
    paths = [task, built / "SharedLayer/python", runtime]
    command: list[str | Path] = [python, "-I", "-S", "-c", LIST_MODULES, HANDLERS[function], *paths]
    done = subprocess.run(
        command, env={"AWS_REGION": "eu-central-1"}, cwd=task, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    place, modules, standard = json.loads(done.stdout.splitlines()[-1])
    return Path(place), set(modules), set(standard)


def files(folder: Path) -> dict[str, str]:
    """Return the digest of each file below a folder."""
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def make(project: Path, target: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a packaging target in the project's own folder, as the development server does."""
    makefile = project / "packaging/Makefile"
    command = ["make", "-f", str(makefile), f"build-{target}", f"ARTIFACTS_DIR={folder}"]
    return subprocess.run(command, cwd=project / SOURCES[target], capture_output=True, text=True, check=False)


@pytest.fixture
def project(sources: Path, tmp_path: Path) -> Path:
    """A copy of the sources, to be changed."""
    return copy_sources(sources, tmp_path / "project")


@pytest.mark.parametrize("function", HANDLERS)
def test_a_handler_loads_with_the_standard_library_alone(built: Path, runtime: Path, function: str) -> None:
    """Before its first event a function loads our own modules, no third party's and little of Python's."""
    place, modules, standard = load(function, built / function, built, runtime)
    service = HANDLERS[function].partition(".")[0]
    assert place.is_relative_to(built / function)
    assert modules == {"silvaengine", service}
    assert standard <= STANDARD.get(HANDLERS[function], USUAL)


@pytest.mark.parametrize("function", HANDLERS)
def test_nothing_beside_a_handler_disturbs_it(
    built: Path, runtime: Path, tmp_path: Path, function: str
) -> None:
    """A function's root comes before the layer; our code starts although it hides what the layer has."""
    task = tmp_path / "task"
    shutil.copytree(built / function, task)
    for name in SHADOWING:
        (task / name).mkdir()
        (task / name / "__init__.py").write_text(f"raise ImportError('an old {name}')")
    assert "silvaengine" in load(function, task, built, runtime)[1]


def test_the_root_of_a_function_hides_the_layer(built: Path, runtime: Path, tmp_path: Path) -> None:
    """The order of the paths in these tests is Lambda's: a planted pynamodb wins over the layer's."""
    task = tmp_path / "task"
    (task / "pynamodb").mkdir(parents=True)
    (task / "pynamodb/__init__.py").write_text("handler = print")
    (task / "silvaengine_http").mkdir()
    (task / "silvaengine_http/app.py").write_text("from pynamodb import handler")
    assert "pynamodb" in load("HttpGateway", task, built, runtime)[1]


@pytest.mark.parametrize(
    "name", ["silvaengine_base.models", "silvaengine_base", "redis", "diskcache", "yaml"]
)
def test_the_layer_is_complete(built: Path, runtime: Path, name: str) -> None:
    """What the layer holds can be imported with the layer and Lambda's runtime alone."""
    code = "import importlib, sys; sys.path[:0] = sys.argv[2:]; importlib.import_module(sys.argv[1])"
    python = Path(sys.base_prefix) / "bin/python3.13"
    command: list[str | Path] = [python, "-I", "-S", "-c", code, name, built / "SharedLayer/python", runtime]
    assert subprocess.run(command, env={"AWS_REGION": "eu-central-1"}, check=False).returncode == 0


def paths_of(code: CodeType) -> set[str]:
    """Collect the file names in a code object and in those that it holds."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return {code.co_filename}.union(*(paths_of(each) for each in inner))


@pytest.mark.parametrize(
    ("artefact", "deployed"), [(name, "/var/task") for name in HANDLERS] + [("SharedLayer", "/opt")]
)
def test_bytecode_ships_and_is_taken_unchecked(built: Path, artefact: str, deployed: str) -> None:
    """Each module of ours has its bytecode, which Python takes without a look at the source."""
    sources = [
        path for path in (built / artefact).rglob("*.py") if "silvaengine" in str(path.relative_to(built))
    ]
    assert sources
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        assert compiled[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(compiled[4:8], "little") == 0b01  # a hash, not to be checked: PEP 552
        assert compiled[8:16] == importlib.util.source_hash(source.read_bytes())
        expected = f"{deployed}/{source.relative_to(built / artefact)}"
        assert paths_of(marshal.loads(compiled[16:])) == {expected}  # noqa: S302 - made a moment ago


@pytest.mark.parametrize("artefact", SOURCES)
def test_a_rebuild_gives_the_same_bytes(built: Path, project: Path, artefact: str) -> None:
    """The packaging target alone, elsewhere and later, makes what `sam build` made, though others changed."""
    for name in HANDLERS:
        if SOURCES[name] != SOURCES[artefact]:
            change(project, name)
    made = make(project, artefact, project / "made")
    assert made.returncode == 0, made.stderr
    assert files(project / "made") == files(built / artefact)


@pytest.mark.parametrize("artefact", HANDLERS)
def test_a_change_in_a_service_changes_its_artefact(built: Path, project: Path, artefact: str) -> None:
    """A line more in a service changes what is made of it."""
    change(project, artefact)
    assert make(project, artefact, project / "made").returncode == 0
    assert files(project / "made") != files(built / artefact)


def change(project: Path, name: str) -> None:
    """Write a line more into a service."""
    package = HANDLERS[name].partition(".")[0]
    with (project / SOURCES[name] / package / "app.py").open("a") as source:
        source.write("\nCHANGED = True\n")


def test_merges_are_resolved_by_the_build(built: Path) -> None:
    """CloudFormation knows no `<<`: it is written in the sources only."""
    assert "<<: " in (PROJECT / "template.yaml").read_text()
    assert "<<" not in (built / "template.yaml").read_text()


def test_nothing_of_this_machine_ships(built: Path) -> None:
    """No artefact holds a path of this machine, an installer's notes, a script or a test."""
    for path in (path for path in built.glob("*/**/*") if path.is_file()):
        name = path.relative_to(built).as_posix()
        assert not re.search(r"/(RECORD|INSTALLER|direct_url\.json|conftest\.py|bin/[^/]*)$", name), name
        content = path.read_bytes()
        assert str(PROJECT).encode() not in content, name
        assert str(built.parent).encode() not in content, name


def test_the_manifest_names_the_functions_packages(sources: Path, built: Path) -> None:
    """The worker may import what ships from functions/; their description stays at home."""
    worker = built / "Worker"
    functions = sources / "services/worker/functions"
    packages = [path.parent.name for path in functions.glob("*/__init__.py") if path.parent.name != "tests"]
    modules = [path.stem for path in functions.glob("*.py")]
    assert (worker / "silvaengine_functions.txt").read_text().split() == sorted(packages + modules)
    assert not (worker / "registry.yaml").exists()


def test_a_lambda_that_its_folder_does_not_declare_is_not_built(project: Path, tmp_path: Path) -> None:
    """The build says where the declaration is missing."""
    (project / "services/tasks/lambdas.toml").write_text("[Others]\n")
    made = make(project, "Tasks", tmp_path / "made")
    assert made.returncode != 0
    assert "Tasks is not in lambdas.toml" in made.stderr


def with_function(project: Path, name: str, text: str) -> None:
    """Put a file into functions/."""
    path = project / "services/worker/functions" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("gateway", ["HttpGateway", "WebsocketGateway"])
def test_the_gateways_hold_the_operators_authorizers(
    sources: Path, built: Path, runtime: Path, gateway: str
) -> None:
    """Each has those of authorizers/, may import these alone, and what a token's signature needs."""
    packages = {path.parent.name for path in sources.glob("authorizers/*/__init__.py")}
    assert set((built / gateway / "silvaengine_authorizers.txt").read_text().split()) == packages
    code = "import sys; sys.path[:0] = sys.argv[1:]; import silvaengine.authorization.tokens"
    code += "".join(f", {name}" for name in packages)
    python = Path(sys.base_prefix) / "bin/python3.13"
    paths = [built / gateway, built / "SharedLayer/python", runtime]
    assert subprocess.run([python, "-I", "-S", "-c", code, *paths], check=False).returncode == 0


def test_nobody_else_holds_the_authorizers(sources: Path, built: Path) -> None:
    """They are the gateways' trusted code: function code finds neither them nor what they need."""
    packages = {path.parent.name for path in sources.glob("authorizers/*/__init__.py")}
    for artefact in ("Worker", "Tasks", "SharedLayer/python"):
        assert not {"jwt", "cryptography", *packages} & {path.name for path in (built / artefact).iterdir()}


def test_a_changed_authorizer_is_built_again() -> None:
    """`sam build --cached` looks at a function's own folder, and through the link that lies there."""
    for gateway in ("http_gateway", "websocket_gateway"):
        assert (PROJECT / "services" / gateway / "authorizers").resolve() == PROJECT / "authorizers"


def test_what_ships_of_functions(project: Path, tmp_path: Path) -> None:
    """Folders and modules ship, tests do not; a folder that is no package ships without being importable."""
    for name in (
        "single.py",
        "test_single.py",
        "conftest.py",
        "pack/__init__.py",
        "pack/data.txt",
        "more/x.py",
    ):
        with_function(project, name, "")
    with_function(project, "tests/__init__.py", "")
    assert make(project, "Worker", tmp_path / "made").returncode == 0
    shipped = {path.name for path in (tmp_path / "made").iterdir()}
    assert {"single.py", "pack", "more"} <= shipped
    assert not {"test_single.py", "conftest.py", "tests", "requirements.txt"} & shipped
    assert (tmp_path / "made/pack/data.txt").exists()
    manifest = (tmp_path / "made/silvaengine_functions.txt").read_text().split()
    assert {"single", "pack"} <= set(manifest)
    assert "more" not in manifest


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("silvaengine/__init__.py", "", "silvaengine, which the layer or Lambda provides"),
        ("silvaengine_base/__init__.py", "", "silvaengine_base, which the layer or Lambda provides"),
        ("silvaengine_utility/__init__.py", "", "silvaengine_utility, which the layer or Lambda provides"),
        ("silvaengine_worker/__init__.py", "", "silvaengine_worker, which the layer or Lambda provides"),
        ("redis/__init__.py", "", "redis, which the layer or Lambda provides"),
        ("msgspec.py", "", "msgspec, which the layer or Lambda provides"),
        ("boto3/client.py", "", "boto3, which the layer or Lambda provides"),
        ("broken.py", "def broken(:", "broken.py"),
    ],
)
def test_functions_that_would_break_the_worker_end_the_build(
    project: Path, tmp_path: Path, name: str, text: str, message: str
) -> None:
    """A name that is ours and a syntax error are found at the build, and the build says which."""
    with_function(project, name, text)
    made = make(project, "Worker", tmp_path / "made")
    assert made.returncode != 0
    assert message in made.stdout + made.stderr


def test_what_the_layer_and_lambda_bring_is_known_to_the_build_and_to_the_command(
    built: Path, runtime: Path
) -> None:
    """No function package may be called so: it would stand before them on the path."""
    packages = [path for path in (built / "SharedLayer/python").iterdir() if path.suffix != ".dist-info"]
    names = {path.name.partition(".")[0] for path in (*packages, *runtime.iterdir())}
    assert names - {"__pycache__"} <= RESERVED_NAMES


def test_requirements_may_bring_their_own(project: Path, tmp_path: Path) -> None:
    """Another version of what Lambda brings is the packages' affair: our own code needs none of it."""
    with_function(project, "requirements.txt", "six==1.17.0\n")
    assert make(project, "Worker", tmp_path / "made").returncode == 0
    assert (tmp_path / "made/six.py").exists()


def test_the_layer_is_as_small_as_packages_may_rely_on(built: Path) -> None:
    """Lambda counts it with each of them."""
    layer = built / "SharedLayer"
    assert sum(path.stat().st_size for path in layer.rglob("*") if path.is_file()) <= LAYER_BYTES


@pytest.mark.parametrize(("architecture", "machine"), [("x86_64", "x86_64"), ("arm64", "aarch64")])
def test_native_wheels_are_those_of_the_architecture(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, machine: str
) -> None:
    """What is compiled in the layer is for the processor that one builds for."""
    monkeypatch.setenv("ARCHITECTURE", architecture)
    assert make(project, "SharedLayer", tmp_path / "made").returncode == 0
    native = [path.name for path in (tmp_path / "made").rglob("*.so")]
    assert native
    assert all(machine in name for name in native)


def test_requirements_that_the_layer_fulfils_are_left_out(project: Path, tmp_path: Path) -> None:
    """Packages of the predecessor name them in many ways, and no registry has them; the rest is installed."""
    repository = library(tmp_path / "silvaengine_base", "SilvaEngine-Base")
    with_function(project, "limits.txt", "six<1.17\nsilvaengine_base<1\n")
    with_function(project, "more.txt", "SILVAENGINE.utility[aws]==1; python_version > '3'\nsix\n")
    required = f"""\ufeff# What the shop needs.
        -r more.txt
        -c limits.txt
        SilvaEngine-Utility
        silvaengine_base==0.0.1 \\
            --hash=sha256:{"a" * 64}  # of a private index
        silvaengine_utility @ git+ssh://git@127.0.0.1:9/silvaengine_utility.git@main
        git+file://{repository}#egg=silvaengine_base
        -e {library(tmp_path / "shop_lib", "shop-lib", "SilvaEngine-Utility>=0.0.1", "idna")}
    """
    with_function(project, "requirements.txt", required)
    build: list[str | Path] = [Path(sys.executable).with_name("sam"), "build", "Worker"]
    done = subprocess.run(build, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shipped = {path.name for path in (project / ".aws-sam/build/Worker").iterdir()}
    assert {"six-1.16.0.dist-info", "idna", "shop_lib.py"} <= shipped
    assert not {"silvaengine_base", "silvaengine_utility"} & shipped


def library(folder: Path, name: str, *requirements: str) -> Path:
    """Make a distribution of one module, as a Git repository."""
    folder.mkdir()
    (folder / f"{folder.name}.py").touch()
    project = f"name = {name!r}\nversion = '1'\ndependencies = {list(requirements)}"
    (folder / "pyproject.toml").write_text(f"[project]\n{project}\n")
    commit = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message=x"]
    for words in (["init", "--quiet"], ["add", "."], commit):
        subprocess.run(["git", *words], cwd=folder, check=True)  # noqa: S607 - the PATH's
    return folder


def test_a_requirement_that_only_looks_like_ours_stays(project: Path, tmp_path: Path) -> None:
    """A longer name is another distribution, which the installer then misses."""
    with_function(project, "requirements.txt", "silvaengine-utility-of-mine\n")
    assert make(project, "Worker", tmp_path / "made").returncode != 0
