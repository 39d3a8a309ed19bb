"""The layer's requirements are the lock's, each with its hashes and nothing of where they were written."""

import re
import tomllib
from typing import Any

import pytest

from .conftest import PROJECT

TEXT = (PROJECT / "shared/requirements.txt").read_text()
PINS = dict(re.findall(r"^([a-z0-9.-]+)==(\S+) \\$", TEXT, re.MULTILINE))


def locked(name: str) -> dict[str, Any]:
    """Find a package in uv.lock."""
    packages = tomllib.loads((PROJECT / "uv.lock").read_text())["package"]
    (found,) = (package for package in packages if package["name"] == name)
    return dict(found)


def test_the_layer_holds_what_the_runtime_lacks() -> None:
    """boto3, botocore and what these need are in Lambda's runtime, and stay out of the layer."""
    assert set(PINS) == {"diskcache", "hiredis", "msgspec", "pynamodb", "pyyaml", "redis"}


@pytest.mark.parametrize("name", PINS)
def test_a_requirement_is_as_locked(name: str) -> None:
    """Version and hashes are those of uv.lock; `make lock` brings them there."""
    package = locked(name)
    hashes = {each["hash"] for each in [package["sdist"], *package["wheels"]]}
    block = re.split(rf"^{name}==", TEXT, flags=re.MULTILINE)[1].partition("==")[0]
    assert PINS[name] == package["version"]
    assert set(re.findall(r"--hash=(\S+)", block)) == hashes


def test_requirements_name_no_place() -> None:
    """Who installs them decides where from."""
    assert not re.search(r"https?:|--index|--find-links|file:|^#", TEXT, re.MULTILINE)
