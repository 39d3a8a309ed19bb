"""What a publication does with a Lambda whose state, rights or code are not yet as they are to be."""

from typing import Any

import click
import pytest

from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.versions import Versions

from ...fakes.publishing import PackageLambda, refused

FINE = {"functions": {"shop:hello": {"parameters": []}}, "rights": {"ledger": "ok"}}
CALLABLES = [("shop", "", "hello", False)]


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def functions() -> PackageLambda:
    """A Lambda with one version."""
    functions = PackageLambda()
    functions.code["1"] = "sha-1"
    return functions


@pytest.fixture
def said() -> list[str]:
    """What whoever waits is shown."""
    return []


@pytest.fixture
def versions(functions: PackageLambda, said: list[str]) -> Versions:
    """Its versions, waited for without waiting."""
    clock = Clock()
    return Versions(functions, "demo-pkg-shop", Patience(said.append, 60, clock, clock.sleep))


def describe(versions: Versions, **options: Any) -> Any:
    """Have the version describe its function."""
    return versions.describe(1, CALLABLES, "d1", **{"isolated": False, **options})


def test_rights_are_tried_until_they_hold(
    functions: PackageLambda, versions: Versions, said: list[str]
) -> None:
    """A new role's take seconds; it is said once what is waited for."""
    lacking = {**FINE, "rights": {"ledger": "AccessDeniedException"}}
    functions.answers = [lacking, lacking, {"errorMessage": "AccessDenied: ledger key"}, FINE]
    assert describe(versions) == FINE
    assert said == [
        "waiting: its role lacks rights: ledger: AccessDeniedException",
        "waiting: AccessDenied: ledger key",
    ]


def test_rights_that_never_hold_end_it(functions: PackageLambda, versions: Versions) -> None:
    """After a minute, with the right that lacks."""
    functions.answers = [{**FINE, "rights": {"tasks": "AccessDeniedException"}}] * 100
    with pytest.raises(click.ClickException, match="more than 60 s: its role lacks rights: tasks"):
        describe(versions)


@pytest.mark.parametrize(
    "answer",
    [
        {**FINE, "functions": {"shop:hello": {"error": "ModuleNotFoundError: no numpy"}}},
        {"errorMessage": "ModuleNotFoundError: no numpy"},
    ],
)
def test_what_cannot_be_imported_ends_it_at_once(
    functions: PackageLambda, versions: Versions, answer: Any
) -> None:
    """Nothing is tried again: it is the code's own failure."""
    functions.answers = [answer]
    with pytest.raises(click.ClickException, match=r"(?s)release 1 can't serve, .*no numpy"):
        describe(versions)
    assert len(functions.invoked) == 1


def test_a_version_is_asked_with_its_digest(functions: PackageLambda, versions: Versions) -> None:
    """And as a tenant where it is isolated, since Lambda refuses it else."""
    functions.answers = [FINE, FINE]
    describe(versions)
    describe(versions, isolated=True)
    asked = {"Qualifier": "1", "describe": [["shop", "", "hello", False]], "release": "d1"}
    assert functions.invoked == [asked, {**asked, "TenantId": "silvaengine"}]


@pytest.mark.parametrize("code", ["ResourceConflictException", "TooManyRequestsException"])
def test_what_passes_is_waited_for(
    functions: PackageLambda, versions: Versions, said: list[str], code: str
) -> None:
    """Lambda's states and its limit; any other refusal is the caller's at once."""
    functions.refusals = [refused(code, "not now"), refused(code, "not now")]
    functions.answers = [FINE]
    assert describe(versions) == FINE
    assert said == ["waiting: not now"]
    functions.refusals = [refused("KMSAccessDeniedException", "no key")]
    with pytest.raises(type(functions.refusals[0]), match="no key"):
        describe(versions)


def test_a_second_publisher_is_told(functions: PackageLambda, versions: Versions) -> None:
    """The Lambda is no longer what it was seen to be."""
    functions.revision = "r2"
    with pytest.raises(click.ClickException, match="somebody else publishes demo-pkg-shop at this moment"):
        versions.publish("bucket", "key", "r1")


def test_versions_that_are_gone_or_failed_are_told(functions: PackageLambda, versions: Versions) -> None:
    """Neither is waited for."""
    with pytest.raises(click.ClickException, match="has no version 7: it was deleted"):
        versions.wake(7, "d", isolated=False)
    functions.states["1"] = "Failed"
    with pytest.raises(click.ClickException, match="demo-pkg-shop:1 failed"):
        versions.wake(1, "d", isolated=False)
