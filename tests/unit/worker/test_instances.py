"""Objects are reused, and no tenant ever meets another's."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.errors import ConfigurationError, FunctionError
from silvaengine.protocol.messages import WorkerCall
from silvaengine_worker.instances import Instances
from silvaengine_worker.loader import Loader
from silvaengine_worker.worker import Worker

type Run = Callable[..., Any]


@pytest.fixture
def run(call: Callable[..., WorkerCall]) -> Run:
    """Call a function of one warm process and give its bare result."""
    worker = Worker(Loader(["sample_functions"]))
    return lambda *args, **members: worker.run(call(*args, **members)).value


def service() -> Any:
    """Return the class that counts its objects."""
    return sys.modules["sample_functions.classes"].Service


@pytest.mark.parametrize("own_settings", [True, False], ids=["own settings", "equal settings"])
def test_two_tenants_interleaved_a_thousand_times_never_meet(run: Run, own_settings: bool) -> None:
    """On a warm process each of two tenants sees its own settings and object, and nothing else."""
    for turn in range(1_000):
        for tenant in ("acme", "globex"):
            settings = {"password": tenant if own_settings else "shared"}
            result = run(
                "classes:Service.tell",
                settings=settings,
                params={"endpoint_id": tenant},
                endpoint_id=tenant,
            )
            assert result["setting"] == settings
            assert result["seen"] == [tenant] * (turn + 1)
    assert service().made == 2


def test_a_key_in_the_environment_stays_with_its_tenant(run: Run) -> None:
    """An object that relies on what its constructor set finds it at each call, and never another's."""
    seen = [
        run("classes:Keyed.tell", settings={"key": tenant}, endpoint_id=tenant)
        for tenant in ("acme", "globex", "acme", "acme")
    ]
    assert seen == ["acme", "globex", "acme", "acme"]
    assert run("plain:look")["environment"] is None


def test_changed_settings_stay_in_their_object(run: Run) -> None:
    """A function that changes its settings changes those of its own object only."""
    settings = {"nested": {"a": 1}}
    run("classes:Service.spoil", settings=settings, params={"key": "a"}, endpoint_id="acme")
    other = run("classes:Service.tell", settings=settings, params={"a": 1}, endpoint_id="globex")
    assert other["setting"] == settings
    assert run("plain:whoami", settings=settings, endpoint_id="acme")["settings"] == settings


def test_a_call_without_a_tenant_gets_an_object_of_its_own(run: Run) -> None:
    """The predecessor's callers don't name the tenant, so nothing is kept for them."""
    for _ in range(2):
        assert run("classes:Service.tell", params={"endpoint_id": "a"}, invocation=False)["seen"] == ["a"]


def test_an_object_is_kept_after_a_function_error(run: Run) -> None:
    """A FunctionError is a response; after any other exception the next call gets a new object."""
    for function, error, made in (("fail", FunctionError, 1), ("crash", ValueError, 1), ("tell", None, 2)):
        if error is None:
            run(f"classes:Service.{function}")
        else:
            with pytest.raises(error):
                run(f"classes:Service.{function}")
        assert service().made == made


def test_the_least_recently_used_object_is_dropped() -> None:
    """The number of kept objects is bounded; what was used last stays."""
    instances = Instances(limit=2)
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return name

    for name in ("a", "b", "a", "c", "a", "b"):
        key = (str, name, "")
        instance, size = instances.take(key) or (make(name), 0)
        assert instance == name
        instances.keep(key, instance, size)
    assert made == ["a", "b", "c", "b"]


def test_what_objects_take_is_bounded() -> None:
    """Of objects that are too large together the last ones stay; one that is alone too large is kept, too."""
    instances = Instances(kept_bytes=250_000)

    def use(name: str, size: int = 100_000) -> int:
        key = (str, name, "")
        instances.keep(key, *(instances.take(key) or ({"of": bytes(size)}, 0)))
        return instances.made

    assert [use(name) for name in "abaca"] == [1, 2, 2, 3, 3]
    assert (use("c"), use("b")) == (3, 4)
    assert [use("large", 1_000_000), use("large"), use("a")] == [5, 5, 6]


def test_settings_and_what_they_are_read_to_are_counted() -> None:
    """Each tenant's object has settings of its own, whatever their size."""
    instances = Instances(kept_bytes=1_000_000)
    for number in range(100):
        text = str(number) * 50_000
        instances.keep((str, "a", text), [], 0)
    assert instances.take((str, "a", text))
    assert not instances.take((str, "a", "0" * 50_000))


@pytest.mark.parametrize(
    ("class_name", "settings", "result"),
    [
        ("Silent", {"table": "t"}, ["t", 5]),
        ("Silent", {"table": "t", "limit": 0.5}, ["t", 0.5]),
        ("Loose", {"a": 1}, ["sample_functions.classes", {"a": 1}]),
        ("Data", {"colour": "red"}, ["red", "sample_functions.classes"]),
        ("Terse", {"a": 1}, ["sample_functions.classes", {"a": 1}]),
        ("Terse", {"log": "mine", "a": 1}, ["mine", {"a": 1}]),
        ("Bare", {}, "bare"),
    ],
)
def test_the_logger_goes_to_constructors_that_take_it(
    run: Run, class_name: str, settings: dict[str, Any], result: Any
) -> None:
    """A parameter named ``logger`` or ``*args`` takes the logger; settings are plain JSON by name."""
    assert run(f"classes:{class_name}.tell", settings=settings) == result


@pytest.mark.parametrize(
    ("class_name", "settings", "detail"),
    [
        ("Silent", {"table": "t", "colour": "red"}, "Silent has no parameter for the setting 'colour'"),
        ("Silent", {}, "Silent requires the setting 'table'"),
        ("Bare", {"a": 1}, "Bare has no parameter for the setting 'a'"),
        ("Service", {"logger": "mine"}, "Service can't have the setting 'logger', which is reserved"),
        ("Service", "[1]", "its setting isn't a JSON object"),
        ("Service", "{", "its setting isn't a JSON object"),
    ],
)
def test_settings_that_dont_match_are_named(
    run: Run, class_name: str, settings: dict[str, Any] | str, detail: str
) -> None:
    """A constructor that doesn't take a setting, or lacks one, is an error that names it in the log."""
    with pytest.raises(ConfigurationError) as refused:
        run(f"classes:{class_name}.tell", settings=settings)
    assert refused.value.detail == detail
    assert refused.value.message == "The function is misconfigured"


def test_an_inherited_function_belongs_to_its_class(run: Run) -> None:
    """A package's own base class needs no mention in the registry."""
    assert run("classes:Derived.tell", settings={"a": 1}, params={"b": 2})["setting"] == {"a": 1}
