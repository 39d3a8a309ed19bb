"""The fixture ``invoke`` calls one's own function as the worker would, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from silvaengine.errors import ConfigurationError, FunctionError, RequestError
from silvaengine_worker.testing import Invoke, function_folders


def test_a_class_gets_settings_and_parameters(invoke: Invoke) -> None:
    """A method is named by module, class and function."""
    result = invoke(
        "sample_functions.classes:Service.tell", settings={"a": 0.5}, params={"b": 1}, endpoint_id="acme"
    )
    assert result == {"setting": {"a": 0.5}, "seen": ["acme"], "logger": "sample_functions.classes"}


def test_values_arrive_as_they_do_in_lambda(invoke: Invoke) -> None:
    """Parameters and body go through the contract's JSON: fractions are Decimal, the context is there."""
    result = invoke(
        "sample_functions.plain:echo",
        params={"a": 0.1},
        body={"b": 1},
        context={"connectionId": "c"},
        area="ops",
    )
    assert result == {
        "a": ["Decimal", "0.1"],
        "endpoint_id": ["str", "test"],
        "area": ["str", "ops"],
        "b": ["int", "1"],
        "context": ["dict", str({"channel": "test", "area": "ops", "headers": {}, "connectionId": "c"})],
    }


@pytest.mark.parametrize("body", ["[1, 2]", [1, 2]])
def test_a_body_is_text_or_a_value(invoke: Invoke, body: Any) -> None:
    """Text is sent as it is, anything else as JSON."""
    assert invoke("sample_functions.plain:wants_body", body=body) == [1, 2]


def test_bytes_come_back_as_bytes(invoke: Invoke) -> None:
    """What a caller gets as a binary body is bytes here."""
    assert invoke("sample_functions.plain:blob") == b"\x00\xff"


def test_the_functions_own_error_is_raised(invoke: Invoke) -> None:
    """A test can expect the very error that the function raises, status and message included."""
    with pytest.raises(FunctionError, match="a teapot") as refused:
        invoke("sample_functions.plain:refuse")
    assert refused.value.status_code == 418


def test_an_author_reads_what_a_client_may_not(invoke: Invoke) -> None:
    """Private details of a misconfiguration are notes of the exception, which pytest prints."""
    with pytest.raises(ConfigurationError) as refused:
        invoke("sample_functions.classes:Bare.tell", settings={"a": 1})
    assert refused.value.__notes__ == ["Bare has no parameter for the setting 'a'"]
    with pytest.raises(RequestError, match="has no parameter 'c'"):
        invoke("sample_functions.plain:strict", params={"c": 1})


@pytest.fixture
def project(tmp_path: Path) -> Invoke:
    """Make a project with a registry in its folder of functions."""
    functions = tmp_path / "functions"
    functions.mkdir()
    (functions / "registry.yaml").write_text(
        "functions:\n"
        "  tell: {module: sample_functions.classes, class: Service, area: core, settings: absent}\n"
        "  wait@eu: {module: sample_functions.plain, area: core}\n"
    )
    return Invoke(function_folders(tmp_path))


def test_a_bare_name_is_looked_up_in_the_registry(project: Invoke) -> None:
    """Module and class come from registry.yaml, settings never; what follows @ is a label of the file."""
    assert project("tell", params={"a": 1})["setting"] == {}
    assert project("wait@eu") == "waited for test"


@pytest.fixture
def packages_project(tmp_path: Path) -> Path:
    """Make a project with two published packages, which have a function of one name."""
    depots = "sample_functions.classes:Service.tell"
    for name, called in (("shop", "sample_functions.plain:whoami"), ("depot", depots)):
        folder = tmp_path / "packages" / name
        folder.mkdir(parents=True)
        (folder / "package.yaml").write_text(
            f"package: {name}\n"
            "typed: false\n"
            "environment:\n"
            "  default: {ORDERS: !Ref Orders, NAME: !Sub 'a-${Orders}'}\n"
            "functions:\n"
            f"  find: {{call: '{called}', area: core}}\n"
            f"  find_{name}: {{call: '{called}', area: core}}\n"
        )
    return tmp_path


def test_a_bare_name_is_looked_up_in_packages(packages_project: Path) -> None:
    """What package.yaml says is called, by its public name; the package whose test it is comes first."""
    test = packages_project / "packages/shop/tests/test_shop.py"
    folders = function_folders(packages_project, test)
    assert folders[0] == packages_project / "packages/shop"
    invoke = Invoke(folders)
    assert invoke("find")["function"] == "find"
    assert invoke("find_depot", params={"a": 1})["seen"] == ["test"]
    assert Invoke(function_folders(packages_project))("find", params={"a": 1})["seen"] == ["test"]


def test_a_packages_functions_are_as_their_release_has_them(packages_project: Path) -> None:
    """Typed, and with null and empty text, where package.yaml doesn't say otherwise."""
    file = packages_project / "packages/shop/package.yaml"
    echo = "{call: 'sample_functions.plain:echo', area: core%s}"
    file.write_text(f"package: shop\nfunctions:\n  a: {echo % ''}\n  b: {echo % ', typed: false'}\n")
    invoke = Invoke(function_folders(packages_project))
    body = {"x": None, "y": ""}
    assert invoke("a", body=body) == {"x": ["NoneType", "None"], "y": ["str", ""]}
    assert {"x", "y"} < invoke("b", body=body).keys()


def test_a_name_that_is_nowhere_is_told_with_the_way_out(project: Invoke) -> None:
    """An unknown name says where was looked, and how to do without a registry."""
    with pytest.raises(LookupError, match=r"'absent' isn't registered .*package\.module:Class\.function"):
        project("absent")
    with pytest.raises(LookupError, match=r"no registry\.yaml was found"):
        Invoke([])("tell")
