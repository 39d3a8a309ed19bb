"""Building a package: its lock, its archive, and what is refused."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import pytest

from silvaengine.registry.packages import release_digest
from silvaengine_cli.publishing import artefact
from silvaengine_cli.publishing.artefact import Artefact
from silvaengine_cli.publishing.package import Package, functions_text
from silvaengine_worker.release import RELEASE_FILE

pytestmark = pytest.mark.slow  # each build starts Python

CLONE = Path(__file__).parents[3]

type MakePackage = Callable[..., Package]

SERVICE = CLONE / "services/worker"
SHOP = '''
class Shop:
    """Greets."""

    def hello(self, name="world"):
        """Return a greeting."""
        return f"Hello, {name}!"
'''
WORKER = {
    path.relative_to(SERVICE).as_posix(): path.read_bytes()
    for path in SERVICE.glob("silvaengine_worker/**/*.py")
}
YAML = "package: shop\nfunctions:\n  greet: {call: 'shop:Shop.hello', area: core}\n"


@pytest.fixture
def make_package(tmp_path: Path) -> MakePackage:
    """Write a package into a project's folder and read it; ``wheels`` are all that its index has."""

    def make(
        project: str = "project", *, requires: str = "", files: dict[str, str] | None = None, **wheels: str
    ) -> Package:
        folder = tmp_path / project / "packages/shop"
        texts = {"package.yaml": YAML, "shop/__init__.py": SHOP, "tests/test_shop.py": "", "test_it.py": ""}
        if requires:
            texts["requirements.txt"] = f"--index-url {(tmp_path / 'simple').as_uri()}\n{requires}"
        for name, text in {**texts, **(files or {})}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return Package.read(folder)

    return make


@pytest.fixture
def wheel(tmp_path: Path) -> Callable[..., None]:
    """Write a wheel of one module into the index."""

    def write(
        name: str,
        version: str,
        *requires: str,
        tag: str = "py3-none-any",
        files: dict[str, bytes] | None = None,
    ) -> None:
        info = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
        content = {
            **(files or {f"{name}.py": f"VERSION = {version!r}\n".encode()}),
            f"{info}/METADATA": metadata.encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        }
        record = "".join(
            f"{path},sha256={urlsafe_b64encode(sha256(data).digest()).decode().rstrip('=')},{len(data)}\n"
            for path, data in content.items()
        )
        page = tmp_path / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        path_in_index = page.with_name(f"{name}-{version}-{tag}.whl")
        with zipfile.ZipFile(path_in_index, "w") as archive:
            for path, data in {**content, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
                archive.writestr(path, data)
        digest = sha256(path_in_index.read_bytes()).hexdigest()
        with page.open("a") as links:
            links.write(f'<a href="{path_in_index.name}#sha256={digest}">{path_in_index.name}</a>\n')

    return write


def build(package: Package, architecture: str, **options: bool) -> Artefact:
    """Build a package with the worker of the sources."""
    return artefact.build(package, architecture, WORKER, **options)


def names(built: Artefact) -> set[str]:
    """Return the top-level names in an archive."""
    with zipfile.ZipFile(built.path) as archive:
        return {name.partition("/")[0] for name in archive.namelist()}


def test_an_artefact_has_worker_modules_requirements_and_release(
    make_package: MakePackage, wheel: Callable[..., None]
) -> None:
    """Tests stay at home; the allow-list has the package's own modules alone."""
    wheel("colour", "1.0")
    package = make_package(requires="colour\nsilvaengine-utility\n", files={"extra.py": ""})
    built = build(package, "x86_64")
    assert names(built) == {
        "silvaengine_worker", "silvaengine_functions.txt", RELEASE_FILE, "__pycache__",
        "shop", "extra.py", "colour.py", "colour-1.0.dist-info",
    }  # fmt: skip
    with zipfile.ZipFile(built.path) as archive:
        assert archive.read("silvaengine_functions.txt").split() == [b"extra", b"shop"]
        release = json.loads(archive.read(RELEASE_FILE))
        assert {"shop/__pycache__/__init__.cpython-313.pyc", "__pycache__/colour.cpython-313.pyc"} <= {
            *archive.namelist()
        }
        digests = sorted(
            (name, sha256(archive.read(name)).hexdigest())
            for name in archive.namelist()
            if name != RELEASE_FILE
        )
    assert built.code == sha256(json.dumps(digests).encode()).hexdigest()
    digest = release_digest("shop", built.code, functions_text(package), is_isolated=False)
    assert built.digest == digest
    assert release == {"package": "shop", "digest": digest}
    assert built.sha256 == sha256(built.path.read_bytes()).hexdigest()
    assert built.lock == "colour==1.0\n"


def test_the_same_sources_give_the_same_bytes(
    make_package: MakePackage, wheel: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another folder, on another day, for another user, with the requirements installed again."""
    wheel("colour", "1.0")
    first = build(make_package(requires="colour\n"), "x86_64")
    other = make_package("elsewhere", requires="colour\n")
    for path in other.folder.rglob("*"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o700 if path.is_dir() else 0o600)
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("HOME", str(other.folder))
    second = build(other, "x86_64")
    assert second.path != first.path
    assert second._replace(path=first.path) == first


def test_what_changes_is_what_the_digest_is_of(make_package: MakePackage) -> None:
    """A line of code changes both digests, a word about a function the release's alone."""
    first = build(make_package(), "x86_64")
    described = build(make_package(files={"package.yaml": YAML.replace("core", "admin")}), "x86_64")
    changed = build(make_package(files={"shop/__init__.py": SHOP + "\n"}), "x86_64")
    assert (described.code, described.digest != first.digest) == (first.code, True)
    assert changed.code != first.code


def test_a_lock_stays_until_its_requirements_change(
    make_package: MakePackage, wheel: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A newer version is taken by ``upgrade`` alone; what is added leaves the others as they are."""
    wheel("colour", "1.0")
    package = make_package(requires="colour\n")
    build(package, "x86_64")
    for name, version in (("colour", "2.0"), ("shape", "1.0")):
        wheel(name, version)
    lock = package.folder / "requirements.lock"
    before = lock.read_bytes()
    assert build(package, "x86_64").lock == "colour==1.0\n"
    assert lock.read_bytes() == before
    assert capsys.readouterr().err == ""
    package = make_package(requires="colour\nshape\n")
    assert build(package, "x86_64").lock == "colour==1.0\nshape==1.0\n"
    assert "requirements.txt has changed" in capsys.readouterr().err
    assert build(package, "x86_64", upgrade=True).lock == "colour==2.0\nshape==1.0\n"


def test_an_unchanged_lock_is_installed_once(
    make_package: MakePackage, wheel: Callable[..., None], tmp_path: Path
) -> None:
    """The second build needs no index, and has the edit."""
    wheel("colour", "1.0")
    first = build(make_package(requires="colour\n"), "x86_64")
    shutil.rmtree(tmp_path / "simple")
    second = build(make_package(requires="colour\n", files={"shop/new.py": ""}), "x86_64")
    assert second.code != first.code
    assert "colour.py" in names(second)


def test_builds_at_once_and_killed_ones_leave_a_whole_archive(
    make_package: MakePackage, wheel: Callable[..., None]
) -> None:
    """What was being made is in a folder of its own, and takes its place as a whole."""
    wheel("colour", "1.0")
    package = make_package(requires="colour\n")
    (package.folder.parents[1] / artefact.CACHE / "installing-killed/made").mkdir(parents=True)
    with ThreadPoolExecutor(4) as pool:
        built = list(pool.map(lambda _: build(package, "x86_64"), range(4)))
    assert len(set(built)) == 1
    assert zipfile.ZipFile(built[0].path).testzip() is None


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"redis/__init__.py": ""}, "redis, which the layer or Lambda provides"),
        ({"silvaengine_base.py": ""}, "silvaengine_base, which the layer or Lambda provides"),
        ({"silvaengine_worker/x.py": ""}, "silvaengine_worker, which the layer or Lambda provides"),
        ({"shop/broken.py": "def f(:\n"}, "broken.py"),
        ({"colour.py": ""}, "colour: both among the requirements and in the package"),
    ],
)
def test_a_module_that_would_break_the_worker_ends_the_build(
    make_package: MakePackage, wheel: Callable[..., None], files: dict[str, str], message: str
) -> None:
    """The build says which."""
    wheel("colour", "1.0")
    with pytest.raises(click.ClickException, match=message):
        build(make_package(requires="colour\n", files=files), "x86_64")


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ("collour\n", "collour was not found"),
        ("colour>=3\n", "colour>=3"),
        ("shape\ncolour<1\n", "shape are incompatible"),
        ("native\n", "native"),
        ("./here\n", "hash"),
    ],
)
def test_a_requirement_that_cannot_be_had_is_named(
    make_package: MakePackage, wheel: Callable[..., None], requires: str, message: str
) -> None:
    """A wrong name or version, a contradiction, no wheel for Lambda, no hash."""
    wheel("colour", "0.1")
    wheel("colour", "1.0")
    wheel("shape", "1.0", "colour>=1")
    wheel("native", "1.0", tag="cp313-cp313-macosx_11_0_arm64")
    here = {"here/pyproject.toml": "[project]\nname = 'here'\nversion = '1'\n", "here/here.py": ""}
    with pytest.raises(click.ClickException, match=r"(?s)requirements.txt|can't be built") as refused:
        build(make_package(requires=requires, files=here), "x86_64")
    assert re.search(message, " ".join(refused.value.message.split()))


def test_what_only_runs_here_is_refused(make_package: MakePackage, wheel: Callable[..., None]) -> None:
    """A wheel that was built on this machine needs its libraries."""
    wheel("native", "1.0", tag="cp313-cp313-linux_x86_64")
    with pytest.raises(click.ClickException, match="native has no wheel for Lambda"):
        build(make_package(requires="native\n"), "x86_64")


def test_each_processor_has_its_wheels(make_package: MakePackage, wheel: Callable[..., None]) -> None:
    """From one lock."""
    for machine in ("x86_64", "aarch64"):
        tag = f"cp313-cp313-manylinux_2_17_{machine}"
        wheel("native", "1.0", tag=tag, files={f"native_{machine}.so": b""})
    package = make_package(requires="native\n")
    assert "native_x86_64.so" in names(build(package, "x86_64"))
    lock = (package.folder / "requirements.lock").read_bytes()
    assert "native_aarch64.so" in names(build(package, "arm64"))
    assert (package.folder / "requirements.lock").read_bytes() == lock


def test_what_is_too_large_is_refused_with_the_largest(
    make_package: MakePackage, wheel: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda counts what is unzipped, with the layer."""
    wheel("large", "1.0", files={"large/data.bin": bytes(3_000_000)})
    monkeypatch.setattr(artefact, "UNZIPPED_LIMIT", artefact.LAYER_BYTES + 2_000_000)
    with pytest.raises(click.ClickException, match="The largest: large 3 MB"):
        build(make_package(requires="large\n"), "x86_64")


def test_two_packages_have_each_its_own_version(
    make_package: MakePackage, wheel: Callable[..., None]
) -> None:
    """Of one requirement, side by side."""
    for version in ("1.0", "2.0"):
        wheel("colour", version)
    versions = [build(make_package(f"p{n}", requires=f"colour=={n}.0\n"), "x86_64").lock for n in (1, 2)]
    assert versions == ["colour==1.0\n", "colour==2.0\n"]


RUN = """
import json, sys
sys.path[:0] = sys.argv[1:3]
from silvaengine_worker.app import handler
class Context:
    aws_request_id, invoked_function_arn, function_version = "r", "arn", "12"
for event in json.load(sys.stdin):
    try:
        result = handler(event, Context())
    except Exception as error:
        result = {"raised": type(error).__name__}
    print("result:", json.dumps(result))
"""


def test_a_built_package_runs_as_lambda_loads_it(make_package: MakePackage, tmp_path: Path) -> None:
    """From the unzipped archive, then the layer: it calls, refuses another release, and describes itself."""
    built = build(make_package(), "x86_64")
    task = tmp_path / "task"
    shutil.unpack_archive(built.path, task)
    called: dict[str, Any] = {
        "MODULENAME": "shop", "CLASSNAME": "Shop", "funct": "hello", "params": '{"name": "Ada"}',
        "invocation": {
            "request_id": "r", "endpoint_id": "demo", "area": "core", "function": "greet", "deadline": 4e9,
        },
    }  # fmt: skip
    describe = {"describe": [["shop", "Shop", "hello", False]]}
    events = [
        {**called, "release": built.digest},
        {**called, "release": "0" * 64},
        called,
        {**describe, "release": "0" * 64},
        {**describe, "release": built.digest},
    ]
    layer = CLONE / "shared"
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN, str(task), str(layer)],
        input=json.dumps(events),
        env={
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",  # nobody is there
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        cwd=task,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("result: ")]
    ran, other, none, refused, described = (json.loads(line.removeprefix("result: ")) for line in lines)
    assert (ran["status"], ran["value"]) == (200, "Hello, Ada!")
    assert [each["error_type"] for each in (other, none)] == ["WrongReleaseError"] * 2
    assert refused == {"raised": "WrongReleaseError"}
    assert described["functions"] == {
        "shop:Shop.hello": {
            "parameters": [{"name": "name", "required": False}],
            "summary": "Return a greeting.",
        }
    }
    assert described["rights"].keys() == {"ledger", "tasks"}
    assert "ok" not in described["rights"].values()
    assert '"package": "shop", "release": 12' in done.stdout
