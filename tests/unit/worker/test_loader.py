"""Only what the operator allowed is imported, and only what its author meant as a function is called."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from silvaengine.errors import ConfigurationError
from silvaengine_worker.loader import MANIFEST, Loader, extend_path, read_allowed_packages

from ...examples import examples

PLAIN = "sample_functions.plain"
CLASSES = "sample_functions.classes"


@pytest.fixture
def loader() -> Loader:
    """Allow the sample functions alone."""
    return Loader(["sample_functions"])


class ImportRecorder:
    """Stands first among Python's finders and notes what is looked for; finds nothing itself."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        """Note a module that is about to be imported."""
        self.names.append(name)
        return None


hostile = st.sampled_from(
    [
        "os",
        "os.path",
        "builtins",
        "subprocess",
        "importlib",
        "silvaengine_worker.app",
        "unlisted_functions",
        "__main__",
        "__class__",
        ".sample_functions",
        "..os",
        "sample_functions..os",
        "sample_functions.",
        "sample_functions/../os",
        "sample_functions\n",
        "sample_functions._private",
        "\u0455ample_functions",  # Cyrillic, looks like an s
        "s\u0430mple_functions.plain",
        "\uff53ample_functions",  # full width: in Python's source the same name as with an s
        "",
        "curses",
        "this",
    ]
)
names = st.one_of(
    hostile,
    st.text(max_size=12),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}(\.[a-z_]{1,6}){0,2}", fullmatch=True),
)


@examples(5)
@given(module=names, class_name=st.one_of(st.just(""), names), function=names)
@example(module="os", class_name="", function="system")
@example(module="builtins", class_name="", function="eval")
@example(module="sample_functions.plain", class_name="", function="_private")
@example(module="sample_functions.plain", class_name="__class__", function="mro")
def test_nothing_outside_the_allow_list_is_imported(module: str, class_name: str, function: str) -> None:
    """Whatever names a payload holds, Python's import sees only names within the allowed package."""
    recorder = ImportRecorder()
    sys.meta_path.insert(0, recorder)
    try:
        Loader(["sample_functions"]).load(module, class_name, function)
    except ConfigurationError:
        allowed = [name for name in recorder.names if name.partition(".")[0] == "sample_functions"]
        assert recorder.names == allowed
    else:
        assert module.partition(".")[0] == "sample_functions"
    finally:
        sys.meta_path.remove(recorder)


@pytest.mark.parametrize(
    ("module", "class_name", "function", "reason"),
    [
        ("os", "", "getpid", "'os' isn't on the allow-list"),
        ("unlisted_functions", "", "reach", "'unlisted_functions' isn't on the allow-list"),
        (PLAIN, "", "getpid", "not in an allowed package"),
        (PLAIN, "", "reach", "is defined in 'unlisted_functions'"),
        (PLAIN, "", "current_invocation", "not in an allowed package"),
        (PLAIN, "Thread", "start", "is defined in 'threading'"),
        (PLAIN, "", "_private", "'_private' is private"),
        (PLAIN, "", "constant", "not in an allowed package"),
        (PLAIN, "", "prefilled", "not in an allowed package"),
        (PLAIN, "", "absent", "has no 'absent'"),
        (PLAIN, "Absent", "tell", "has no 'Absent'"),
        (PLAIN, "echo", "tell", "is not a class"),
        (CLASSES, "", "Service", "is not a function"),
        (CLASSES, "Service", "_private", "'_private' is private"),
        (CLASSES, "Service", "secret", "is not a function"),
        (CLASSES, "Service", "made", "is not a function"),
        (CLASSES, "Service", "Inner", "is not a function"),
        (CLASSES, "Service", "absent", "is not a function"),
        (CLASSES, "Colour", "RED", "is not a function"),
        (CLASSES, "Odd", "tell", "no signature"),
        ("sample_functions.absent", "", "tell", "No module named 'sample_functions.absent'"),
    ],
)
def test_a_name_that_is_no_allowed_function_is_refused(
    loader: Loader, module: str, class_name: str, function: str, reason: str
) -> None:
    """The reason of the refusal is for the log only."""
    with pytest.raises(ConfigurationError) as refused:
        loader.load(module, class_name, function)
    assert reason in refused.value.detail
    assert refused.value.status == 500
    assert reason not in refused.value.message


def test_a_module_is_imported_once(loader: Loader) -> None:
    """The second load of a function is the first one's."""
    assert loader.load(PLAIN, "", "echo") is loader.load(PLAIN, "", "echo")


def test_a_package_of_a_further_folder_is_found_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EFSMOUNTPOINT and PYTHONPACKAGESPATH join the path once, at its end; subpackages work."""
    module = tmp_path / "efs_functions" / "deep" / "leaf.py"
    module.parent.mkdir(parents=True)
    module.write_text("def tell(): return 'leaf'")
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    extend_path(str(tmp_path))
    extend_path(str(tmp_path))
    extend_path(None)
    assert sys.path == [*before, str(tmp_path)]
    target = Loader(["efs_functions"]).load("efs_functions.deep.leaf", "", "tell")
    assert target.function() == "leaf"


@pytest.mark.parametrize("source", ["import no_such_module_at_all", "def broken(:"])
def test_an_import_error_is_for_the_operator_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """A package that can't be imported is a 500 with a general message; the next call tries again."""
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / f"broken_functions_{len(source)}.py"
    module.write_text(source)
    loader = Loader([module.stem])
    with pytest.raises(ConfigurationError) as refused:
        loader.load(module.stem, "", "tell")
    assert refused.value.message == "The function isn't available"
    assert "Error: " in refused.value.detail
    assert refused.value.__cause__ is not None


def test_the_manifest_is_the_allow_list(tmp_path: Path) -> None:
    """An artefact's manifest names what may be imported, one name a line."""
    (tmp_path / MANIFEST).write_text("first\nsecond\n")
    assert read_allowed_packages(tmp_path) == ("first", "second")


def test_without_a_manifest_nothing_is_allowed(tmp_path: Path) -> None:
    """A worker that was built wrongly runs nothing."""
    assert read_allowed_packages(tmp_path) == ()
